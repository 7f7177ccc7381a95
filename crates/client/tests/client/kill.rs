//! kill -9 at any moment: a sequence that was handed out is never handed out again.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Command, Stdio},
};

use sealwire_client::sequence::Sequence;

/// Tells the child where the sequence file is.
const FILE: &str = "SEALWIRE_TEST_SEQUENCE";

/// What is killed: hands out sequences as fast as it can, and says each.
#[tokio::test]
#[ignore = "run by the test below, in a process of its own"]
async fn child() {
    let Some(file) = std::env::var_os(FILE) else {
        return;
    };
    let sequence = Sequence::in_file(PathBuf::from(file));
    let mut out = std::io::stdout().lock();
    while let Ok(next) = sequence.next().await {
        if writeln!(out, "sequence {next}").is_err() {
            return;
        }
    }
}

#[test]
fn no_sequence_is_handed_out_twice() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("sequence");
    let mut seen = BTreeSet::new();
    // Around the borders of a block, where a reservation is under way, and two at a time.
    for (round, lines) in [1, 100, 1_023, 1_024, 1_025, 2_048, 5_000, 3]
        .into_iter()
        .enumerate()
    {
        let mut processes = Vec::new();
        for _ in 0..=round % 2 {
            let child = Command::new(std::env::current_exe().unwrap())
                .args(["--ignored", "--exact", "kill::child", "--nocapture"])
                .env(FILE, &file)
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            processes.push(child);
        }
        for mut child in processes {
            let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
            let mut numbers = || {
                out.by_ref()
                    .map_while(Result::ok)
                    .find_map(|line| line.strip_prefix("sequence ")?.parse::<u64>().ok())
            };
            for _ in 0..lines {
                let next = numbers().expect("the child goes on until it is killed");
                assert!(seen.insert(next), "{next} was handed out twice");
            }
            child.kill().unwrap();
            child.wait().unwrap();
            // What it had said before it died counts too; the last line may be cut.
            let mut rest = Vec::new();
            while let Some(next) = numbers() {
                rest.push(next);
            }
            rest.pop();
            for next in rest {
                assert!(seen.insert(next), "{next} was handed out twice");
            }
        }
    }
    let reserved: u64 = std::fs::read_to_string(&file)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert!(*seen.last().unwrap() < reserved);
}
