//! The archive over its public face: durability, packages, the outbox, damage.

use std::path::Path;

use bytes::Bytes;
use sealwire_archive::{Archive, Bound, Kind, Limits, Message, OpenError, PackageError};
use sealwire_envelope::ClientId;
use sealwire_receipt::merkle;
use sealwire_sm::Sm3Digest;
use sqlx::Connection as _;

fn gateway() -> ClientId {
    "acme.gateway".parse().unwrap()
}

fn message(topic: &str, n: u64, epoch: u32) -> Message {
    Message {
        topic: topic.parse().unwrap(),
        sender: format!("acme.device-{}", n % 3).parse().unwrap(),
        received_ms: 1_000 + n,
        qos: 1,
        epoch,
        payload: Bytes::from(format!("message {n}")),
    }
}

async fn open(path: &Path, package_messages: u64) -> Archive {
    let limits = Limits {
        package_messages,
        ..Limits::default()
    };
    Archive::open(path, &gateway(), limits).await.unwrap()
}

async fn append(archive: &Archive, message: Message) {
    archive
        .append(message)
        .await
        .unwrap()
        .durable()
        .await
        .unwrap();
}

async fn change(path: &Path, sql: &'static str) {
    let mut db = sqlx::SqliteConnection::connect(&format!("sqlite://{}", path.display()))
        .await
        .unwrap();
    assert_eq!(
        sqlx::query(sql)
            .execute(&mut db)
            .await
            .unwrap()
            .rows_affected(),
        1
    );
    db.close().await.unwrap();
}

#[tokio::test]
async fn what_was_answered_is_there_after_opening_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("archive.sqlite");
    let first = open(&path, 4).await;
    for n in 0..6 {
        append(&first, message("a/b/c", n, 1)).await;
    }
    // The first handle is still open: as after a crash, nothing was closed or copied back.
    let second = open(&path, 4).await;
    let messages = second.messages("a/b/c", 100).await.unwrap();
    assert_eq!(
        messages,
        (0..6).map(|n| message("a/b/c", n, 1)).collect::<Vec<_>>()
    );
    // The open package of two goes on where it was: two more close it.
    for n in 6..8 {
        append(&second, message("a/b/c", n, 1)).await;
    }
    let packages = second.packages("a/b/c", 0, 10).await.unwrap();
    let ranges: Vec<_> = packages
        .iter()
        .map(|row| (row.first_seq, row.last_seq, row.count))
        .collect();
    assert_eq!(ranges, [(1, 4, 4), (5, 8, 4)]);
    assert_eq!(
        packages[1].clients,
        ["acme.device-0", "acme.device-1", "acme.device-2"]
    );
}

#[tokio::test]
async fn a_package_is_closed_by_count_bytes_age_and_key_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("archive.sqlite");
    let limits = Limits {
        package_messages: 3,
        package_bytes: 1_000,
    };
    let archive = Archive::open(&path, &gateway(), limits).await.unwrap();
    for n in 0..3 {
        append(&archive, message("by/count/x", n, 1)).await;
    }
    let large = Message {
        payload: vec![0; 1_000].into(),
        ..message("by/bytes/x", 1, 1)
    };
    append(&archive, large).await;
    append(&archive, message("by/epoch/x", 1, 1)).await;
    append(&archive, message("by/epoch/x", 2, 2)).await;
    append(&archive, message("by/age/x", 5, 1)).await;
    let count = async |topic: &str| archive.packages(topic, 0, 10).await.unwrap().len();
    assert_eq!(count("by/count/x").await, 1);
    assert_eq!(count("by/bytes/x").await, 1);
    assert_eq!(count("by/epoch/x").await, 1);
    assert_eq!(count("by/age/x").await, 0);
    assert!(
        archive
            .close_due(1_014, 10)
            .await
            .unwrap()
            .iter()
            .all(|p| p.topic == "by/epoch/x")
    );
    assert_eq!(
        archive.close_due(1_015, 10).await.unwrap()[0].topic,
        "by/age/x"
    );
    assert!(archive.close_due(u64::MAX, 0).await.unwrap().is_empty());
    assert_eq!(archive.waiting(Kind::Anchor, 100).await.unwrap().len(), 5);
}

#[tokio::test]
async fn records_are_checked_and_the_wrong_one_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("archive.sqlite");
    let archive = open(&path, 5).await;
    for n in 0..5 {
        append(&archive, message("a/b/c", n, 1)).await;
    }
    let row = archive.packages("a/b/c", 0, 1).await.unwrap().remove(0);
    assert_eq!(row.manifest(&gateway()).unwrap().id().0, row.id);
    let records = archive.records(&row).await.unwrap();
    let root = merkle::root_of(records.iter().map(|record| &record.bytes));
    assert_eq!(root, row.root);

    change(
        &path,
        "UPDATE messages SET payload = CAST('message X' AS BLOB) WHERE seq = 3",
    )
    .await;
    let error = archive.records(&row).await.unwrap_err();
    assert!(
        matches!(error, PackageError::Damaged { index: 2, .. }),
        "{error}"
    );
    // Whoever changes the leaf as well is betrayed by the root.
    let forged = Message {
        payload: Bytes::from("message X"),
        ..message("a/b/c", 2, 1)
    };
    let honest = open(&dir.path().join("other.sqlite"), 1).await;
    append(&honest, forged).await;
    change(&path, "DELETE FROM messages WHERE seq = 3").await;
    let error = archive.records(&row).await.unwrap_err();
    assert!(
        matches!(
            error,
            PackageError::Root {
                found: 4,
                count: 5,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn outbox_entries_are_carried_by_one_transaction_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("archive.sqlite");
    let archive = open(&path, 100).await;
    for n in 0..3u8 {
        archive
            .enqueue(Kind::Event, vec![n])
            .await
            .unwrap()
            .durable()
            .await
            .unwrap();
    }
    let ids = async |archive: &Archive| -> Vec<i64> {
        archive
            .waiting(Kind::Event, 10)
            .await
            .unwrap()
            .iter()
            .map(|entry| entry.id)
            .collect()
    };
    let all = ids(&archive).await;
    let bound = |n: u8| Bound {
        id: Sm3Digest([n; 32]),
        kind: Kind::Event,
        bytes: vec![n; 4],
        expiry_height: 10,
    };
    archive.bind(bound(1), all[..2].to_vec()).await.unwrap();
    assert_eq!(ids(&archive).await, all[2..]);
    // After a crash the same transaction is there, byte for byte.
    let again = open(&path, 100).await;
    assert_eq!(again.bound().await.unwrap(), [bound(1)]);
    again.release(bound(1).id).await.unwrap();
    assert_eq!(ids(&again).await, all);
    assert!(again.bound().await.unwrap().is_empty());
    again.bind(bound(2), all.clone()).await.unwrap();
    again.settle(bound(2).id, 7).await.unwrap();
    // Settling or releasing twice changes nothing.
    again.settle(bound(2).id, 7).await.unwrap();
    again.release(bound(2).id).await.unwrap();
    assert!(ids(&again).await.is_empty());
    assert_eq!(again.totals().await.unwrap().outbox, 0);
}

#[tokio::test]
async fn anchoring_marks_the_package() {
    let dir = tempfile::tempdir().unwrap();
    let archive = open(&dir.path().join("archive.sqlite"), 1).await;
    append(&archive, message("a/b/c", 1, 0)).await;
    let entry = archive.waiting(Kind::Anchor, 1).await.unwrap().remove(0);
    let id = Sm3Digest([1; 32]);
    let bound = Bound {
        id,
        kind: Kind::Anchor,
        bytes: vec![],
        expiry_height: 1,
    };
    archive.bind(bound, vec![entry.id]).await.unwrap();
    archive.settle(id, 42).await.unwrap();
    let row = archive.packages("a/b/c", 0, 1).await.unwrap().remove(0);
    assert_eq!(row.height, Some(42));
    assert_eq!(archive.totals().await.unwrap().anchored, 1);
}

#[tokio::test]
async fn a_failed_batch_tells_everybody_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("archive.sqlite");
    let archive = open(&path, 100).await;
    append(&archive, message("a/b/c", 1, 0)).await;
    // Somebody else takes the next sequence number behind the writer's back.
    change(&path, "INSERT INTO messages SELECT 2, topic, sender, received_ms, qos, epoch, payload, leaf FROM messages").await;
    let (first, second) = (
        archive.append(message("a/b/c", 2, 0)).await.unwrap(),
        archive.append(message("a/b/c", 3, 0)).await.unwrap(),
    );
    let failed = first.durable().await.is_err() | second.durable().await.is_err();
    assert!(failed, "a lost message was answered with Ok");
    // It reads its tables again and goes on.
    append(&archive, message("a/b/c", 4, 0)).await;
}

#[tokio::test]
async fn a_file_of_another_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("archive.sqlite");
    drop(open(&path, 1).await);
    let mut db = sqlx::SqliteConnection::connect(&format!("sqlite://{}", path.display()))
        .await
        .unwrap();
    sqlx::query("PRAGMA user_version = 9")
        .execute(&mut db)
        .await
        .unwrap();
    db.close().await.unwrap();
    let error = Archive::open(&path, &gateway(), Limits::default())
        .await
        .err()
        .unwrap();
    assert!(
        matches!(error, OpenError::Version { found: 9, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn an_open_session_leaves_its_last_words_in_files_of_version_1_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("archive.sqlite");
    let archive = open(&path, 1).await;
    append(&archive, message("a/b/c", 1, 0)).await;
    drop(archive);
    let mut db = sqlx::SqliteConnection::connect(&format!("sqlite://{}", path.display()))
        .await
        .unwrap();
    for sql in [
        "DROP TABLE sessions",
        "DROP TABLE used",
        "PRAGMA user_version = 1",
    ] {
        sqlx::query(sql).execute(&mut db).await.unwrap();
    }
    db.close().await.unwrap();

    let archive = open(&path, 1).await;
    assert_eq!(archive.messages("a/b/c", 10).await.unwrap().len(), 1);
    for id in [7, 8] {
        let opened = archive.enqueue_opened(id, vec![1], vec![id as u8]).await;
        opened.unwrap().durable().await.unwrap();
    }
    let closed = archive.enqueue_closed(7, vec![2]).await;
    closed.unwrap().durable().await.unwrap();
    // A second opening finds them: as after a crash, nothing was closed.
    let again = open(&path, 1).await;
    assert_eq!(again.open_sessions().await.unwrap(), [(8, vec![8])]);
    let bodies = again.waiting(Kind::Event, 10).await.unwrap();
    let bodies: Vec<_> = bodies.into_iter().map(|entry| entry.body).collect();
    assert_eq!(bodies, [vec![1], vec![1], vec![2]]);
}

#[tokio::test]
async fn many_writers_share_a_sync() {
    let dir = tempfile::tempdir().unwrap();
    let archive = open(&dir.path().join("archive.sqlite"), 500).await;
    let start = std::time::Instant::now();
    let mut pending = Vec::new();
    for n in 0..10_000 {
        pending.push(archive.append(message("a/b/c", n, 1)).await.unwrap());
    }
    for pending in pending {
        pending.durable().await.unwrap();
    }
    println!("10,000 durable appends in {:?}", start.elapsed());
    assert_eq!(archive.totals().await.unwrap().messages, 10_000);
    assert_eq!(archive.totals().await.unwrap().packages, 20);
}
