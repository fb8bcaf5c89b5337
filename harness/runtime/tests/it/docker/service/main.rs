//! A service for images with nothing else in them: one connection, one line, one answer.
//!
//! `PORT` is where it listens. It is compiled by the tests, alone; it is no module of theirs.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::exit;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [what, rest @ ..] = arguments.as_slice()
        && what == "fail"
    {
        println!("starting");
        eprintln!("no database at db:5432");
        exit(rest.first().and_then(|code| code.parse().ok()).unwrap_or(1));
    }
    let port = std::env::var("PORT").unwrap_or_else(|_| "8080".to_owned());
    let listener = TcpListener::bind(format!("0.0.0.0:{port}")).expect("could not listen");
    println!("listening {arguments:?}");
    for connection in listener.incoming().flatten() {
        std::thread::spawn(move || serve(connection));
    }
}

fn serve(connection: TcpStream) {
    let mut line = String::new();
    let Ok(mut writer) = connection.try_clone() else { return };
    if BufReader::new(connection).read_line(&mut line).is_ok() {
        let answer = answer(line.trim_end()).unwrap_or_else(|error| format!("error: {error}"));
        let _ = writer.write_all(answer.as_bytes());
    }
}

fn answer(line: &str) -> std::io::Result<String> {
    let (what, rest) = line.split_once(' ').unwrap_or((line, ""));
    Ok(match what {
        "ping" => "pong".to_owned(),
        "env" => std::env::var(rest).unwrap_or_default(),
        "read" => fs::read_to_string(rest)?,
        "write" => {
            let (path, text) = rest.split_once(' ').unwrap_or((rest, ""));
            fs::write(path, text)?;
            "written".to_owned()
        }
        "say" => {
            println!("{rest}");
            "said".to_owned()
        }
        "call" => {
            let mut connection = TcpStream::connect(rest)?;
            connection.write_all(b"ping\n")?;
            let mut answer = String::new();
            connection.read_to_string(&mut answer)?;
            answer
        }
        "allocate" => {
            let mut memory = vec![0_u8; rest.parse::<usize>().unwrap_or_default() * 1024 * 1024];
            for at in (0..memory.len()).step_by(4096) {
                memory[at] = 1;
            }
            format!("{}", memory.iter().map(|byte| usize::from(*byte)).sum::<usize>())
        }
        "spin" => {
            let mut sum = 0_u64;
            for number in 0..rest.parse::<u64>().unwrap_or_default() {
                sum = std::hint::black_box(sum.wrapping_add(number));
            }
            format!("{sum}")
        }
        "exit" => exit(rest.parse().unwrap_or(1)),
        _ => "what?".to_owned(),
    })
}
