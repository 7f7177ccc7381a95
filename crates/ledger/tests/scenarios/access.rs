//! Every route of a node, asked at the members' place by everybody: nobody, who shows a certificate that the
//! ledger doesn't know, whose certificate was revoked, and a member.
//!
//! The table in `docs/rights-http.md` is this test's: `SEALWIRE_BLESS=1` writes it anew where a change is
//! meant. A new route gets its row by being documented (`/openapi.json`); for whom it is, `api::PUBLIC` says.

use std::{fmt::Write as _, path::Path, sync::Arc};

use axum::{extract::Request, middleware, response::IntoResponse as _};
use sealwire_envelope::CertId;
use sealwire_ledger::{
    api::{self, Asker},
    chain::Chain,
};
use sealwire_sm::Sm3Digest;

const BEGIN: &str = "<!-- ledger table: begin, written by a test -->\n";
const END: &str = "<!-- ledger table: end -->\n";

/// Asks every documented route; `target` fills in a path's arguments.
pub async fn ask_everything(
    chain: Arc<dyn Chain>,
    member: CertId,
    revoked: CertId,
    target: impl Fn(&str) -> String,
) {
    let unknown = CertId(Sm3Digest([9; 32]));
    let askers = [
        ("nobody", None),
        ("unknown certificate", Some(unknown)),
        ("certificate revoked", Some(revoked)),
        ("member", Some(member)),
    ];
    let mut bases = Vec::new();
    // Dropped at the end: a server that goes on keeps the node's files locked.
    let mut servers = tokio::task::JoinSet::new();
    for (name, shown) in askers {
        let shows = middleware::from_fn(
            move |mut request: Request, next: middleware::Next| async move {
                request.extensions_mut().insert(Asker(shown));
                next.run(request).await.into_response()
            },
        );
        let router = api::members_router(chain.clone()).layer(shows);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        bases.push((name, format!("http://{}", listener.local_addr().unwrap())));
        servers.spawn(async move { axum::serve(listener, router).await });
    }

    let document: serde_json::Value = serde_json::from_str(&api::openapi_json().unwrap()).unwrap();
    let client = reqwest::Client::new();
    let mut table = String::from("| Request |");
    bases
        .iter()
        .for_each(|(name, _)| write!(table, " {name} |").unwrap());
    table += "\n|---|---|---|---|---|\n";
    let paths = document["paths"].as_object().unwrap();
    for (path, methods) in paths
        .iter()
        .chain([(&"/openapi.json".to_owned(), &serde_json::json!({"get": {}}))])
    {
        for method in methods.as_object().unwrap().keys() {
            let public = api::PUBLIC.contains(&path.as_str()) || path == api::STATE;
            write!(table, "| `{} {path}` |", method.to_uppercase()).unwrap();
            for (name, base) in &bases {
                let url = format!("{base}{}", target(path));
                let request = match method.as_str() {
                    // Not a transaction: who gets that far is told so.
                    "post" => client.post(&url).body("nonsense"),
                    _ => client.get(&url),
                };
                let status = request.send().await.unwrap().status().as_u16();
                let let_in = public || *name == "member";
                let expected = match (let_in, method.as_str()) {
                    (false, _) => 401,
                    (true, "post") => 400,
                    (true, _) => 200,
                };
                assert_eq!(status, expected, "{name}: {method} {url}");
                write!(table, " {status} |").unwrap();
            }
            table.push('\n');
        }
    }
    // Of the state, everybody sees who is who, and only members the rest.
    for (key, strangers) in [
        ("00", 401),
        (&*hex::encode(sealwire_contracts::keys::consortium()), 200),
    ] {
        for (name, base) in &bases {
            let url = format!("{base}/v1/state/{key}");
            let status = client.get(&url).send().await.unwrap().status();
            let expected = if *name == "member" { 200 } else { strangers };
            assert_eq!(status, expected, "{name}: {url}");
        }
    }
    compare(&table);
}

fn compare(table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rights-http.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the begin marker");
    let (found, after) = rest.split_once(END).expect("the end marker");
    if std::env::var_os("SEALWIRE_BLESS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(
        found, table,
        "docs/rights-http.md is out of date: SEALWIRE_BLESS=1 writes it"
    );
}
