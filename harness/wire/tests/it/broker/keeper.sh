# Runs a RabbitMQ for tests and ends it when no test needs it any more: each holds a shared lock on the file `in-use` while it
# lives, however it ends. On HUP the broker is killed and started again with the same data.
# Arguments: the server's command, its port, its distribution port, epmd's port, the folder.
server=$1 port=$2 distribution=$3 names=$4 folder=$5
cd "$folder" || exit 1
data=$(mktemp -d "$folder/data.XXXXXX") || exit 1
cat >"$data/rabbitmq.conf" <<CONF
listeners.tcp.1 = 127.0.0.1:$port
default_user = tap
default_pass = tap
disk_free_limit.absolute = 1MB
log.file = false
log.console = true
log.console.level = warning
CONF
echo '[].' >"$data/plugins"
export HOME="$data" RABBITMQ_NODENAME="wire-$port@localhost" RABBITMQ_CONFIG_FILE="$data/rabbitmq"
export RABBITMQ_CONF_ENV_FILE="$data/none" RABBITMQ_ENABLED_PLUGINS_FILE="$data/plugins" RABBITMQ_PID_FILE="$data/pid"
export RABBITMQ_MNESIA_BASE="$data/mnesia" RABBITMQ_LOG_BASE="$data/log" RABBITMQ_GENERATED_CONFIG_DIR="$data/generated"
export RABBITMQ_DIST_PORT="$distribution" ERL_EPMD_PORT="$names" ERL_EPMD_ADDRESS=127.0.0.1
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none"

# In a group of its own, because the server is a shell that starts others.
serve() {
    (cd "$data" && exec setsid "$server") >>log 2>&1 &
    broker=$!
}
again() {
    kill -s KILL -- "-$broker"
    wait "$broker"
    serve
}
finish() {
    # Before epmd, which a broker that runs starts again.
    kill -s KILL -- "-$broker"
    kill "$epmd"
    rm -rf "$data" port
    exit 0
}
epmd -port "$names" -address 127.0.0.1 >>log 2>&1 &
epmd=$!
# Else the broker starts one, which stays.
until epmd -port "$names" -names >/dev/null 2>&1; do sleep 0.1; done
serve
trap again HUP
trap finish TERM INT
echo "$port" >port
while kill -0 "$broker"; do
    sleep 1
    # Somebody has tidied up.
    [ -e in-use ] || finish
    if flock -x -n in-use true; then
        # Nobody. Is there still nobody a little later?
        sleep 5
        exec 9>in-use
        flock -x -n 9 && finish
        exec 9>&-
    fi
done
finish
