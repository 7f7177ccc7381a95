//! `sealwire compute keygen`, `publish-key`, `keys`, `retire`: an owner's compute keys.
//!
//! `keygen` goes in steps, each of which can be done again: the secret half is on disk before the ledger hears
//! of the key, the ledger holds the digests before a gateway is given the halves. `publish-key` goes on where
//! a `keygen` stopped.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use sealwire_client::{
    archive::FetchError,
    compute::{Compute as Service, ComputeError, service::KeyHalf},
    ledger::{Applied, Ledger},
    owner::Owner,
};
use sealwire_compute::{NewKey, bound, parameters, plan, reading};
use sealwire_contracts::entry::ComputeKeyEntry;
use sealwire_envelope::{
    Blob, ClientId, ComputeKeyId, OrgId,
    compute::{COMPUTE_VERSION, ComputeKey, Form, ParameterSet, ReadingSpec, Sharing},
};
use sealwire_sm::sm3;
use serde::Serialize;
use serde_json::{Value, json};

use super::{key_named, service, store::Store};
use crate::{
    actor::Actor,
    cli::{Compute, KeyArgs, KeyName, PassphraseArgs, ReadingArgs},
    home::Home,
    output::{Output, table},
    topic::ledger,
};

/// How long a gateway may take to hear of a key that was just registered.
const FOLLOW_MAX: Duration = Duration::from_secs(10);
/// HTTP status of a gateway that doesn't know a key.
const NOT_FOUND: u16 = 404;
/// Every form of readings.
const FORMS: [Form; 4] = [Form::Value, Form::Moments, Form::Bits, Form::OneHot];

/// Runs one of the four commands.
///
/// # Errors
/// The command's.
pub async fn run(home: &Home, out: Output, command: Compute) -> Result<()> {
    match command {
        Compute::Keygen {
            actor,
            at,
            key,
            passphrase,
            offline,
        } => {
            let actor = Actor::load(home, &actor.client)?;
            let gateway = at.gateway.as_ref();
            let made = keygen(&actor, out, gateway, &key, &passphrase, offline).await?;
            out.print(&made, |made| made_text(made, &actor));
        }
        Compute::PublishKey { actor, at, key } => {
            let actor = Actor::load(home, &actor.client)?;
            let id = own_key(&actor, &key.key).await?;
            let published = publish_key(&actor, at.gateway.as_ref(), &id).await?;
            out.print(&published, |published| published_text(&id, published));
        }
        Compute::Keys { owner } => {
            let records = keys_of(&ledger(home)?, &owner).await?;
            let has = |id: &ComputeKeyId| has_secret(home, &owner, id);
            let list: Vec<Value> = records
                .iter()
                .map(|(id, entry)| describe(id, entry, has(id)))
                .collect();
            out.print(&list, |_| keys_text(&owner, &records, has));
        }
        Compute::Retire { actor, key, reason } => {
            let actor = Actor::load(home, &actor.client)?;
            let (id, _) = key_named(&actor.ledger, &key.key).await?;
            let owner = Owner::new(actor.keyring.clone());
            let applied = owner.retire_compute_key(id, &reason).await?;
            let document = json!({ "key": id, "height": applied.height });
            out.print(&document, |_| {
                format!(
                    "nothing is evaluated under compute key {id} since height {}; what was evaluated still opens",
                    applied.height
                )
            });
        }
        other => unreachable!("not a command about keys: {other:?}"),
    }
    Ok(())
}

/// What readings under a new key are.
///
/// # Errors
/// When a number isn't one, or they make no sense.
pub fn spec(args: &ReadingArgs) -> Result<ReadingSpec> {
    let scaled = |what: &str, text: &str| -> Result<i64> {
        let number = reading::parse_decimal(text.trim(), args.decimals);
        let number =
            number.with_context(|| format!("{what}, with --decimals {}", args.decimals))?;
        i64::try_from(number).with_context(|| format!("{what} {text} is too large"))
    };
    ensure!(
        args.decimals <= sealwire_envelope::compute::DECIMALS_MAX,
        "--decimals is at most {}",
        sealwire_envelope::compute::DECIMALS_MAX
    );
    let edges = args.edges.iter().map(|edge| scaled("--edges", edge));
    let spec = ReadingSpec {
        decimals: args.decimals,
        min: scaled("--min", &args.min)?,
        max: scaled("--max", &args.max)?,
        edges: edges.collect::<Result<_>>()?,
        unit: args.unit.clone(),
    };
    reading::check_spec(&spec)?;
    Ok(spec)
}

/// Forms of readings that a key can encrypt; refuses a key that can encrypt none.
fn forms(set: ParameterSet, spec: &ReadingSpec) -> Result<Vec<Form>> {
    // Without edges there is one bin, and nothing to ask of it.
    let asked = |form: &Form| *form != Form::OneHot || !spec.edges.is_empty();
    let served = FORMS
        .into_iter()
        .filter(|form| plan::serves(set, *form) && asked(form));
    let (mut forms, mut first) = (Vec::new(), None);
    for form in served {
        match bound::check_form(set, spec, form) {
            Ok(()) => forms.push(form),
            Err(error) => first = first.or(Some(error)),
        }
    }
    match (forms.is_empty(), first) {
        (true, Some(error)) => Err(error).with_context(|| {
            format!(
                "no reading can be encrypted under such a {} key",
                parameters::name(set)
            )
        }),
        _ => Ok(forms),
    }
}

/// A new key, and how far it came.
#[derive(Debug, Serialize)]
pub struct Made {
    /// Its id.
    pub key: ComputeKeyId,
    /// What it is.
    pub description: ComputeKey,
    /// Where its secret half is.
    pub secret: std::path::PathBuf,
    /// Whether that file is encrypted.
    pub encrypted: bool,
    /// What became of it on the ledger and at the gateway; none with --offline.
    pub published: Option<PublishedKey>,
}

/// Makes a key, and unless `offline` registers it and gives the gateway its halves.
///
/// # Errors
/// When the readings make no sense, a file can't be written, or ledger or gateway refuse.
pub async fn keygen(
    actor: &Actor,
    out: Output,
    gateway: Option<&OrgId>,
    args: &KeyArgs,
    passphrase: &PassphraseArgs,
    offline: bool,
) -> Result<Made> {
    let (set, readings) = (args.set, spec(&args.readings)?);
    forms(set, &readings)?;
    let store = Store::of(&actor.identity)?;
    let passphrase = passphrase.for_new()?;
    if passphrase.is_none() {
        out.note(
            "the secret half is kept without a passphrase, with mode 0600, as the client's own key: \
             say --passphrase to encrypt it",
        );
    }
    let generating =
        tokio::task::spawn_blocking(move || sealwire_compute::generate(set, &mut rand::rng()));
    let new = generating.await.context("making the key")?;
    let description = describe_new(actor, set, readings, &new);
    let id = description.id();
    let secret = store.keep(
        &description,
        &new,
        passphrase.as_ref().map(|text| text.as_str()),
    )?;
    let published = if offline {
        None
    } else {
        let published = publish_key(actor, gateway, &id).await;
        Some(published.with_context(|| {
            format!(
                "key {id} is made, and kept in {}; go on with `sealwire compute publish-key --as {} --key {id}`",
                secret.display(),
                actor.identity.client()
            )
        })?)
    };
    Ok(Made {
        key: id,
        description,
        secret,
        encrypted: passphrase.is_some(),
        published,
    })
}

fn describe_new(
    actor: &Actor,
    parameters: ParameterSet,
    readings: ReadingSpec,
    new: &NewKey,
) -> ComputeKey {
    ComputeKey {
        version: COMPUTE_VERSION,
        owner: actor.identity.client().clone(),
        parameters,
        readings,
        public: sm3(&[&new.public]),
        evaluation: new.evaluation.as_ref().map(|bytes| sm3(&[bytes])),
        sharing: None,
    }
}

/// A key of one's own by name: also one that the ledger doesn't know yet.
async fn own_key(actor: &Actor, name: &KeyName) -> Result<ComputeKeyId> {
    match name {
        KeyName::Id(id) => Ok(*id),
        KeyName::Of(client) if client == actor.identity.client() => {
            let here = Store::of(&actor.identity)?.keys()?;
            match here.as_slice() {
                [only] => Ok(*only),
                _ => Ok(key_named(&actor.ledger, name).await?.0),
            }
        }
        KeyName::Of(_) => Ok(key_named(&actor.ledger, name).await?.0),
    }
}

/// How far a key's publication came.
#[derive(Debug, Serialize)]
pub struct PublishedKey {
    /// Height of the block that registered it.
    pub height: u64,
    /// Whether that was now.
    pub registered_now: bool,
    /// The gateway that has its halves; none where the ledger holds all there is.
    pub gateway: Option<ClientId>,
    /// Bytes that the gateway was given.
    pub uploaded_bytes: usize,
}

/// Registers a key that was made here unless it is, and gives a gateway the halves that are too long for the
/// ledger.
///
/// # Errors
/// When it wasn't made here, or ledger or gateway refuse.
pub async fn publish_key(
    actor: &Actor,
    gateway: Option<&OrgId>,
    id: &ComputeKeyId,
) -> Result<PublishedKey> {
    let store = Store::of(&actor.identity)?;
    let key = store.key(id)?;
    let public = store
        .public(&key)
        .context("the key's public half isn't where the key is: make another key")?;
    let inline = key.parameters == ParameterSet::Sm2ElgamalV1;
    let (height, registered_now) = match actor.ledger.compute_key(id).await? {
        Some(entry) => (entry.registered.height, false),
        None => {
            let bytes = inline.then(|| Blob(public.clone()));
            (register(actor, key.clone(), bytes).await?.height, true)
        }
    };
    let mut published = PublishedKey {
        height,
        registered_now,
        gateway: None,
        uploaded_bytes: 0,
    };
    if inline {
        return Ok(published);
    }
    let mut halves = vec![(KeyHalf::Public, public)];
    if key.evaluation.is_some() {
        let bytes = store.evaluation(&key);
        let bytes = bytes.context("the evaluation key isn't where the key is: make another key")?;
        halves.push((KeyHalf::Evaluation, bytes));
    }
    let service = service(actor, gateway)?;
    for (half, bytes) in &halves {
        upload(&service, id, *half, bytes).await?;
        published.uploaded_bytes += bytes.len();
    }
    published.gateway = Some(actor.gateway(gateway)?.client);
    Ok(published)
}

/// Uploads a half; the gateway may be some blocks behind the one that registered the key.
async fn upload(service: &Service, id: &ComputeKeyId, half: KeyHalf, bytes: &[u8]) -> Result<()> {
    let start = Instant::now();
    loop {
        match service.upload(id, half, bytes).await {
            Err(ComputeError::Gateway(FetchError::Refused(problem)))
                if problem.status == NOT_FOUND && start.elapsed() < FOLLOW_MAX =>
            {
                tokio::time::sleep(FOLLOW_MAX / 100).await;
            }
            other => return Ok(other?),
        }
    }
}

/// Registers a key.
///
/// # Errors
/// The contract's.
pub async fn register(actor: &Actor, key: ComputeKey, public: Option<Blob>) -> Result<Applied> {
    let owner = Owner::new(actor.keyring.clone());
    Ok(owner.register_compute_key(key, public).await?)
}

/// All keys of an owner, retired ones included, as a node lists them; each proven.
async fn keys_of(
    ledger: &Ledger,
    owner: &ClientId,
) -> Result<Vec<(ComputeKeyId, ComputeKeyEntry)>> {
    let listed: Vec<Value> = ledger
        .get_all(&format!("/v1/clients/{owner}/compute-keys"))
        .await?;
    let mut keys = Vec::with_capacity(listed.len());
    for item in listed {
        let id = item["id"].as_str().unwrap_or_default();
        let id: ComputeKeyId = id.parse().context("the node's list of keys")?;
        if let Some(entry) = ledger.compute_key(&id).await? {
            keys.push((id, entry));
        }
    }
    keys.sort_by_key(|(_, entry)| entry.registered.height);
    Ok(keys)
}

fn has_secret(home: &Home, owner: &ClientId, id: &ComputeKeyId) -> bool {
    let secret = home
        .client_dir(owner)
        .join("compute")
        .join(format!("{id}.secret"));
    secret.exists()
}

/// What one can ask of readings in each form that a key encrypts.
fn served(set: ParameterSet, spec: &ReadingSpec) -> Vec<(Form, Vec<&'static str>)> {
    let names = |form: Form| {
        let kinds = plan::Kind::ALL.into_iter();
        kinds
            .filter(|kind| plan::forms(set, *kind).contains(&form))
            .flat_map(functions)
            .copied()
            .collect()
    };
    let forms = forms(set, spec).unwrap_or_default();
    forms.into_iter().map(|form| (form, names(form))).collect()
}

/// The functions of a kind, by their names on the command line.
fn functions(kind: plan::Kind) -> &'static [&'static str] {
    match kind {
        plan::Kind::Sum => &["sum", "mean"],
        plan::Kind::Weighted => &["weighted-sum"],
        plan::Kind::Linear => &["linear"],
        plan::Kind::Variance => &["variance", "deviation"],
        plan::Kind::Dot => &["dot"],
        plan::Kind::Count => &["count-over"],
        plan::Kind::Histogram => &["histogram", "range"],
    }
}

fn form_name(form: Form) -> &'static str {
    match form {
        Form::Value => "value",
        Form::Moments => "moments",
        Form::Bits => "bits",
        Form::OneHot => "one-hot",
    }
}

fn describe(id: &ComputeKeyId, entry: &ComputeKeyEntry, secret_here: bool) -> Value {
    let key = &entry.key;
    let served: serde_json::Map<_, _> = served(key.parameters, &key.readings)
        .into_iter()
        .map(|(form, names)| (form_name(form).to_owned(), json!(names)))
        .collect();
    json!({
        "id": id, "key": key, "registered": entry.registered, "retired": entry.retired,
        "computes": served, "secret_here": secret_here,
    })
}

/// Bounds and unit, as people read them.
pub fn bounds_text(spec: &ReadingSpec) -> String {
    let decimal = |value: i64| reading::Decimal::new(value.into(), spec.decimals.into());
    let unit = match spec.unit.as_str() {
        "" => String::new(),
        unit => format!(" {unit}"),
    };
    format!("{} to {}{unit}", decimal(spec.min), decimal(spec.max))
}

fn shared_text(sharing: Option<&Sharing>) -> String {
    sharing.map_or_else(String::new, |sharing| {
        format!("{} of {} holders", sharing.threshold, sharing.holders.len())
    })
}

fn keys_text(
    owner: &ClientId,
    records: &[(ComputeKeyId, ComputeKeyEntry)],
    has: impl Fn(&ComputeKeyId) -> bool,
) -> String {
    if records.is_empty() {
        return format!("{owner} has no compute key");
    }
    let rows: Vec<_> = records
        .iter()
        .map(|(id, entry)| {
            let key = &entry.key;
            let opens = match (&key.sharing, has(id)) {
                (Some(sharing), _) => shared_text(Some(sharing)),
                (None, true) => "here".to_owned(),
                (None, false) => "elsewhere".to_owned(),
            };
            let state = match &entry.retired {
                None => format!("since height {}", entry.registered.height),
                Some(retired) => format!("retired at height {}", retired.at.height),
            };
            let computes = served(key.parameters, &key.readings).into_iter();
            let computes: Vec<String> = computes
                .map(|(form, names)| format!("{}: {}", form_name(form), names.join(" ")))
                .collect();
            vec![
                id.to_string(),
                parameters::name(key.parameters).to_owned(),
                bounds_text(&key.readings),
                opens,
                state,
                computes.join("; "),
            ]
        })
        .collect();
    table(
        &[
            "key",
            "set",
            "readings",
            "opens",
            "state",
            "form: functions",
        ],
        &rows,
    )
}

fn made_text(made: &Made, actor: &Actor) -> String {
    let key = &made.description;
    let computes: Vec<String> = served(key.parameters, &key.readings)
        .into_iter()
        .map(|(form, names)| format!("  --form {:<8} {}", form_name(form), names.join(", ")))
        .collect();
    let next = match &made.published {
        Some(published) => published_text(&made.key, published),
        None => format!(
            "not registered yet: sealwire compute publish-key --as {} --key {}",
            actor.identity.client(),
            made.key
        ),
    };
    format!(
        "compute key {}\n{} of {}, readings from {}\nthe secret half, which opens every result: {}{}\n\
         it computes, by what devices encrypt:\n{}\n{next}",
        made.key,
        parameters::name(key.parameters),
        key.owner,
        bounds_text(&key.readings),
        made.secret.display(),
        if made.encrypted { " (encrypted)" } else { "" },
        computes.join("\n"),
    )
}

fn published_text(id: &ComputeKeyId, published: &PublishedKey) -> String {
    let at = match &published.gateway {
        Some(gateway) => format!(
            "{gateway} has its halves ({} bytes)",
            published.uploaded_bytes
        ),
        None => "its public half is on the ledger, too".to_owned(),
    };
    format!(
        "key {id} is on the ledger since height {}; {at}",
        published.height
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(min: &str, max: &str, edges: &[&str]) -> ReadingArgs {
        ReadingArgs {
            decimals: 1,
            min: min.to_owned(),
            max: max.to_owned(),
            edges: edges.iter().map(|edge| (*edge).to_owned()).collect(),
            unit: "°C".to_owned(),
        }
    }

    #[test]
    fn readings_are_described_exactly_or_refused() {
        let found = spec(&args("-40", "125.5", &["0", " 25.0"])).unwrap();
        assert_eq!((found.min, found.max), (-400, 1255));
        assert_eq!(found.edges, [0, 250]);
        assert_eq!(bounds_text(&found), "-40.0 to 125.5 °C");
        for wrong in [
            args("-40", "x", &[]),
            args("1.25", "2", &[]),
            args("5", "5", &[]),
            args("0", "5", &["3", "2"]),
            ReadingArgs {
                decimals: 40,
                ..args("0", "5", &[])
            },
        ] {
            assert!(spec(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_key_says_what_it_computes() {
        let found = spec(&args("-40", "125", &["0"])).unwrap();
        let computes = served(ParameterSet::Sm2ElgamalV1, &found);
        let of = |form| &computes.iter().find(|(f, _)| *f == form).unwrap().1;
        assert!(of(Form::Value).contains(&"mean") && of(Form::OneHot).contains(&"histogram"));
        let no_edges = spec(&args("-40", "125", &[])).unwrap();
        let computes = served(ParameterSet::Sm2ElgamalV1, &no_edges);
        assert!(computes.iter().all(|(form, _)| *form != Form::OneHot));
        // 2^40 holds no square of such a reading.
        let wide = spec(&args("0", "9000000", &[])).unwrap();
        let computes = served(ParameterSet::Sm2ElgamalV1, &wide);
        assert!(computes.iter().all(|(form, _)| *form != Form::Moments));
        // Seventeen bits of range can't be compared.
        let error = forms(ParameterSet::BfvBitsV1, &wide).unwrap_err();
        assert!(format!("{error:#}").contains("no reading can be encrypted"));
    }
}
