//! `seaworthy can-i-deploy`, `record-deployment`, `record-release`, `record-undeployment` and `publish`: the deploy gate
//! and the ledger that it reads.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args as ClapArgs;
use seaworthy_contracts::broker::Access;
use seaworthy_contracts::gate::{self, Answer, MOST_SERVICES, Order, Question, Ruling};
use seaworthy_contracts::ledger::{self, Ledger, PactDocument, Publication, Record, Recording, Timestamp};
use seaworthy_core::check::verdict_of;
use seaworthy_core::finding::{Finding, Severity};
use seaworthy_core::report::{CheckReport, RunReport, Summary};
use seaworthy_core::time::HumanDuration;

use super::args::{Common, Deny, parse_duration};
use super::check::working_folder;
use super::failure::Failure;
use super::output::deliver_text;

/// Which ledger.
#[derive(Debug, ClapArgs)]
pub(super) struct LedgerArgs {
    /// The ledger: a folder, or the URL of a Pact Broker (with PACT_BROKER_TOKEN, or PACT_BROKER_USERNAME and
    /// PACT_BROKER_PASSWORD); else the nearest `contracts/ledger` upwards.
    #[arg(long, value_name = "DIR|URL", env = "PACT_BROKER_BASE_URL", hide_env_values = true)]
    pub(super) ledger: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct CanIDeployArgs {
    /// What is to be deployed; several are judged as they would be together.
    #[arg(long, value_name = "SERVICE=VERSION", required = true, num_args = 1.., value_parser = parse_version)]
    service: Vec<(String, String)>,
    /// The environment.
    #[arg(long, value_name = "ENVIRONMENT")]
    to: String,
    /// Look for an order in which they can be deployed one after the other.
    #[arg(long)]
    order: bool,
    /// While the answer is unknown, ask again this many times.
    #[arg(long, value_name = "N", default_value_t = 0)]
    retry_unknown: u32,
    /// How long to wait before asking again.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "10s")]
    retry_interval: Duration,
    #[command(flatten)]
    ledger: LedgerArgs,
}

#[derive(Debug, ClapArgs)]
pub(super) struct RecordArgs {
    /// The service.
    #[arg(long)]
    service: String,
    /// Its version.
    #[arg(long)]
    version: String,
    /// The environment.
    #[arg(long = "env", value_name = "ENVIRONMENT")]
    environment: String,
    #[command(flatten)]
    ledger: LedgerArgs,
}

#[derive(Debug, ClapArgs)]
pub(super) struct PublishArgs {
    /// Pact files, and folders of them.
    #[arg(long, value_name = "FILE|DIR", required = true, num_args = 1..)]
    pact: Vec<PathBuf>,
    /// The version of the consumers whose pacts they are.
    #[arg(long, value_name = "VERSION")]
    consumer_version: String,
    /// The branch that it was built from.
    #[arg(long)]
    branch: Option<String>,
    /// A tag for it. May be given several times.
    #[arg(long)]
    tag: Vec<String>,
    /// The build that publishes them.
    #[arg(long, value_name = "URL")]
    build_url: Option<String>,
    #[command(flatten)]
    ledger: LedgerArgs,
}

fn parse_version(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((service, version)) if !service.is_empty() && !version.is_empty() => {
            Ok((service.to_owned(), version.to_owned()))
        }
        _ => Err(format!("`{text}` is not SERVICE=VERSION, as in `orders=5.1.0`")),
    }
}

impl LedgerArgs {
    /// Opens it, and says how it is named in hints.
    pub(super) fn open(&self) -> Result<(Ledger, String), Failure> {
        if let Some(place) = self.ledger.as_deref().filter(|place| !place.is_empty()) {
            let ledger = Ledger::open(place, &Access::from_env())?;
            let name = match &ledger {
                Ledger::Folder(_) => place.to_owned(),
                // Without credentials.
                Ledger::Broker(broker) => broker.url().to_owned(),
            };
            return Ok((ledger, name));
        }
        let here = working_folder()?;
        let Some(found) = Ledger::find(&here) else {
            return Err(Failure::plain(
                "could not find a ledger: there is no `contracts/ledger` here or above; name a folder (it is made \
                 when something is written) or a Pact Broker with `--ledger DIR|URL`"
                    .to_owned(),
            ));
        };
        // Relative where it lies below, so that places in it read well.
        let place = found.strip_prefix(&here).map(PathBuf::from).unwrap_or(found);
        let name = place.display().to_string();
        Ok((Ledger::Folder(ledger::Folder::new(place)), name))
    }
}

pub(super) async fn can_i_deploy(args: &CanIDeployArgs, common: &Common) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    let (ledger, name) = args.ledger.open()?;
    let question = Question { wanted: wanted(&args.service)?, environment: args.to.clone(), ledger: name };
    let asked = ask(&ledger, &question, args, common, started).await?;
    let mut reports = Vec::new();
    let mut text = String::new();
    if let Some((ruling, order)) = &asked {
        reports.push(gate::check_report(ruling, order.as_ref()));
        text = if common.quiet { gate::brief(ruling) } else { gate::text(ruling) };
        if let Some(order) = order {
            text.push('\n');
            text += &gate::order_text(order, &question);
        }
    } else {
        let limit = HumanDuration(common.timeout.unwrap_or_default());
        let finding =
            Finding::undecided("deploy.not-verified", format!("the ledger did not answer within {limit}"))
                .hint("allow more time with `--timeout`");
        text += &format!("UNKNOWN · {}\n", finding.message);
        let findings = vec![finding];
        reports.push(CheckReport { id: "can-i-deploy".to_owned(), verdict: verdict_of(&findings), findings });
    }
    deliver(reports, &text, started, common)
}

fn wanted(services: &[(String, String)]) -> Result<BTreeMap<String, String>, Failure> {
    let mut wanted: BTreeMap<String, String> = BTreeMap::new();
    for (service, version) in services {
        let before = wanted.insert(service.clone(), version.clone());
        if let Some(before) = before.filter(|before| before != version) {
            return Err(Failure::plain(format!(
                "could not judge {service} {before} and {service} {version} at once; ask for one version of a service"
            )));
        }
    }
    if wanted.len() > MOST_SERVICES {
        return Err(Failure::plain(format!(
            "could not judge {} services at once; ask for {MOST_SERVICES} at most",
            wanted.len()
        )));
    }
    Ok(wanted)
}

type Asked = Option<(Ruling, Option<Order>)>;

/// Asks, and asks again while the answer is unknown, as long as there is time. `None` where not even the first answer
/// came in time.
async fn ask(
    ledger: &Ledger,
    question: &Question,
    args: &CanIDeployArgs,
    common: &Common,
    started: Instant,
) -> Result<Asked, Failure> {
    let left = || common.timeout.map(|limit| limit.saturating_sub(started.elapsed()));
    let mut asked: Asked = None;
    for again in 0..=args.retry_unknown {
        if again > 0 {
            if left().is_some_and(|left| left < args.retry_interval) {
                break;
            }
            tokio::time::sleep(args.retry_interval).await;
        }
        let picture = match left() {
            None => ledger.picture(question).await?,
            Some(left) => match tokio::time::timeout(left, ledger.picture(question)).await {
                Ok(picture) => picture?,
                Err(_) => break,
            },
        };
        let ruling = gate::can_i_deploy(&picture, question);
        let order = (args.order && ruling.is_of_known()).then(|| gate::order(&picture, question));
        let unknown = ruling.answer == Answer::Unknown
            || order.as_ref().is_some_and(|order| gate::answer_of_order(order) == Answer::Unknown);
        let done = !unknown || ruling.answer == Answer::No;
        asked = Some((ruling, order));
        if done {
            break;
        }
    }
    Ok(asked)
}

pub(super) async fn record(what: Recording, args: &RecordArgs, common: &Common) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    let (ledger, _) = args.ledger.open()?;
    let record = Record {
        what,
        service: args.service.clone(),
        version: args.version.clone(),
        environment: args.environment.clone(),
        at: Timestamp::now(),
    };
    told("record", ledger.record(&record).await?, started, common)
}

pub(super) async fn publish(args: &PublishArgs, common: &Common) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    // What is no pact is said before anything is written.
    let mut by_consumer: BTreeMap<String, Vec<PactDocument>> = BTreeMap::new();
    for pact in ledger::pacts(&args.pact)? {
        let pacts = by_consumer.entry(pact.consumer.clone()).or_default();
        if let Some(other) = pacts.iter().find(|other| other.provider == pact.provider) {
            return Err(Failure::plain(format!(
                "could not publish {} and {}: both are pacts between {} and {}; merge them first (`seaworthy contracts merge`)",
                other.name, pact.name, pact.consumer, pact.provider
            )));
        }
        pacts.push(pact);
    }
    let (ledger, _) = args.ledger.open()?;
    let at = Timestamp::now();
    let mut lines = Vec::new();
    for (consumer, pacts) in by_consumer {
        let publication = Publication {
            consumer,
            version: args.consumer_version.clone(),
            branch: args.branch.clone(),
            tags: args.tag.clone(),
            build_url: args.build_url.clone(),
            pacts,
            at,
        };
        lines.extend(ledger.publish(&publication).await?);
    }
    told("publish", lines, started, common)
}

/// Says what was written to the ledger.
fn told(check: &str, lines: Vec<String>, started: Instant, common: &Common) -> Result<ExitCode, Failure> {
    let text = lines.iter().map(|line| format!("{}\n", gate::clean(line))).collect::<String>();
    let findings: Vec<Finding> = lines
        .into_iter()
        .map(|line| {
            let mut finding = Finding::warning("deploy.recorded", line);
            finding.severity = Severity::Info;
            finding
        })
        .collect();
    let report = CheckReport { id: check.to_owned(), verdict: verdict_of(&findings), findings };
    deliver(vec![report], &text, started, common)
}

fn deliver(
    checks: Vec<CheckReport>,
    text: &str,
    started: Instant,
    common: &Common,
) -> Result<ExitCode, Failure> {
    let mut report = RunReport::new(checks, Summary::default(), common.deny == Some(Deny::Warnings));
    report.set_duration(started.elapsed());
    deliver_text(&report, text, common)
}
