//! Retries over HTTP: what is left of a job becomes a job of its own, with corrected rows, whole or not at all.

mod common;
#[path = "common/fleet.rs"]
mod fleet;
#[path = "common/redis.rs"]
mod redis;
#[path = "common/world.rs"]
mod world;

use std::borrow::Cow;

use actix_web::dev::ServiceResponse;
use actix_web::test::{TestRequest, call_service, init_service, read_body_json};
use api::server::{Parts, app};
use common::token;
use fleet::{Hands, P, failed, made, new_job, task};
use serde_json::{Value, json};
use shared::blob;
use shared::cloudpath::{self, Row};
use shared::id::JobId;
use shared::seal::Sealer;
use shared::secret::SecretString;
use shared::store::Store;
use shared::workflow::{Definition, parse};
use world::{World, world};

const TENANT: &str = "acme";
/// Found nowhere but in sealed boxes.
const PASSPHRASE: &str = "Xq7-secret-";
const CHUNK: usize = 2;

/// An import of one phase: what a retry asks of the others is the same.
fn workflow() -> &'static Definition {
    let text = "name: cloudpath_dpsk_import\nversion: 7\nphases:\n  - {id: create_passphrases, name: Keys, executor: keys, batch_size: 3}\n";
    Box::leak(Box::new(parse::parse(text).unwrap()))
}

/// An import of six keys, accepted.
async fn import(store: &Store, sealer: &Sealer) -> JobId {
    let now = jiff::Timestamp::now();
    let dpsks: Vec<Value> = (0..6)
        .map(
            |i| json!({"guid": format!("g-{i}"), "name": format!("user{i}"), "passphrase": format!("{PASSPHRASE}{i}")}),
        )
        .collect();
    let body = json!({"controller_id": 1, "venue_id": "v-1", "dpsk_data": dpsks, "options": {"timeout_seconds": 777}});
    let request = cloudpath::parse_request(body.to_string().as_bytes(), now).unwrap();
    let (plan, mapper) = cloudpath::plan(&request.export, &request.options, now);
    let mut new = new_job(TENANT, workflow());
    new.workflow = Cow::Borrowed(workflow());
    let rows: Vec<_> = request.export.rows.into_iter().map(|row| mapper.map(row)).collect();
    for (number, chunk) in (0..).zip(rows.chunks(CHUNK)) {
        let rows: Vec<&Row> = chunk.iter().map(|(row, _)| row).collect();
        let secrets: Vec<_> = chunk.iter().map(|(_, secret)| Some(secret.clone())).collect();
        let place = format!("{}|input|{number}", new.id);
        let sealed = sealer.seal_column(&place, &secrets).unwrap();
        let rows = blob::pack(&rows).unwrap();
        store
            .stage_input(&new.tenant, new.id, number, rows, sealed)
            .await
            .unwrap();
        new.input_chunks += 1;
    }
    new.options = serde_json::to_value(&request.options).unwrap();
    new.input_meta = json!({"rows": 6, "plan": plan});
    store.submit(&new).await.unwrap();
    new.id
}

/// Plans these rows in batches of three and ends them; those of `fail` fail.
async fn run(hands: &mut Hands, rows: &[u32], fail: &[u32]) {
    let tasks: Vec<_> = rows
        .iter()
        .map(|row| task(*row, &format!("user{row}"), json!({})))
        .collect();
    let batches: Vec<_> = tasks.chunks(3).map(<[_]>::to_vec).collect();
    hands.plan(&batches, true).await;
    for _ in batches {
        hands
            .complete(|t| match fail.contains(&t.index) {
                true => failed(t),
                false => made(t, "passphrase"),
            })
            .await;
    }
}

/// Rows and passphrases of a job's input, as a worker reads them.
async fn input(store: &Store, sealer: &Sealer, job: JobId) -> Vec<(Row, SecretString)> {
    let spec = store.job_spec(P, job).await.unwrap().unwrap();
    let mut all = Vec::new();
    for number in 0..spec.input_chunks {
        let (rows, sealed) = store.input_chunk(P, job, number).await.unwrap().unwrap();
        let rows: Vec<Row> = blob::unpack(&rows).unwrap();
        let place = format!("{job}|input|{number}");
        let secrets = sealer.open_column(&place, &sealed, rows.len()).unwrap();
        all.extend(rows.into_iter().zip(secrets.into_iter().map(Option::unwrap)));
    }
    all
}

fn post(tenant: &str, job: &str, body: &Value) -> TestRequest {
    bare(tenant, job)
        .insert_header(("content-type", "application/json"))
        .set_payload(body.to_string())
}

fn bare(tenant: &str, job: &str) -> TestRequest {
    TestRequest::post()
        .uri(&format!("/api/v1/jobs/{job}/retry"))
        .insert_header(("authorization", format!("Bearer {}", token(Some(tenant), &["user"]))))
}

macro_rules! send {
    ($app:expr, $request:expr) => {{
        let answer: ServiceResponse = call_service(&$app, $request.to_request()).await;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body: Value = read_body_json(answer).await;
        assert!(!body.to_string().contains(PASSPHRASE), "{body}");
        (status, headers, body)
    }};
}

fn sealer(parts: &Parts) -> Sealer {
    parts.state.sealer.clone()
}

#[actix_web::test]
async fn what_is_left_becomes_a_job_of_its_own_with_corrected_rows() {
    let World { store, parts, redis } = world().await;
    let sealer = sealer(&parts);
    let app = init_service(app(parts)).await;
    let mut hands = Hands::of(&store).await;
    let old = import(&store, &sealer).await;
    run(&mut hands, &[0, 1, 2, 3, 4, 5], &[1, 4, 5]).await;

    let body = json!({"corrections": [
        {"row": 1, "fields": {"passphrase": "another-one", "vlanid": "44"}},
        {"task_id": format!("{old}:create_passphrases:4"), "fields": {"name": "user4b"}},
    ]});
    let request = || post(TENANT, &old.to_string(), &body).insert_header(("idempotency-key", "k"));
    let (status, headers, told) = send!(app, request());
    assert_eq!((status, &told["resume_of"]), (202, &json!(old.to_string())), "{told}");
    let id = told["job_id"].as_str().unwrap();
    assert_eq!(headers.get("location").unwrap(), format!("/api/v1/jobs/{id}").as_str());
    let new: JobId = id.parse().unwrap();

    let spec = store.job_spec(P, new).await.unwrap().unwrap();
    assert_eq!(spec.input["scope"], "1,4-5");
    assert_eq!(
        (spec.definition.version, spec.options["timeout_seconds"].as_u64()),
        (7, Some(777))
    );
    assert_eq!((spec.controller, &*spec.venue_id), (1, "v-1"));
    let (before, after) = (input(&store, &sealer, old).await, input(&store, &sealer, new).await);
    for row in [0, 2, 3, 5] {
        assert_eq!(before[row], after[row]);
    }
    assert_eq!((after[1].1.expose(), after[1].0.vlan), ("another-one", Some(44)));
    assert_eq!((&*after[4].0.username, &after[4].1), ("user4b", &before[4].1));
    // nothing of a job that has been accepted goes by itself
    for part in ["", ":input", ":inputsec"] {
        let key = format!("workflow:{{p0}}:jobs:{new}{part}");
        assert_eq!(redis.lines(&["TTL", &key]), ["-1"], "{key}");
    }
    let tenant = fleet::tenant(TENANT);
    let (was, is) = (
        store.job(&tenant, old).await.unwrap().unwrap(),
        store.job(&tenant, new).await.unwrap().unwrap(),
    );
    assert_eq!(
        (was.status.as_str(), was.retried_by, is.resume_of),
        ("PARTIAL", Some(new), Some(old))
    );

    // sent again it is the same job; another one while it runs is told its name
    let (status, headers, again) = send!(app, request());
    assert_eq!((status, &again["job_id"]), (200, &told["job_id"]));
    assert_eq!(headers.get("idempotent-replayed").unwrap(), "true");
    let (status, _, other) = send!(
        app,
        post(TENANT, &old.to_string(), &json!({})).insert_header(("idempotency-key", "k"))
    );
    assert_eq!(status, 422, "{other}");
    let (status, _, second) = send!(app, bare(TENANT, &old.to_string()));
    assert_eq!(status, 409);
    assert!(second["detail"].as_str().unwrap().contains(id), "{second}");

    // of the retry's own rows one is left
    run(&mut hands, &[1, 4, 5], &[4]).await;
    let (status, _, third) = send!(app, bare(TENANT, id));
    assert_eq!((status, &third["resume_of"]), (202, &json!(id)), "{third}");
    let third: JobId = third["job_id"].as_str().unwrap().parse().unwrap();
    let spec = store.job_spec(P, third).await.unwrap().unwrap();
    assert_eq!(spec.input["scope"], "4");
    assert_eq!(input(&store, &sealer, third).await, after);
    // and the old one, of which the first retry has ended, may be retried once more
    let (status, ..) = send!(app, bare(TENANT, &old.to_string()));
    assert_eq!(status, 202);
}

#[actix_web::test]
async fn of_a_job_that_never_planned_its_rows_all_are_left() {
    let World {
        store,
        parts,
        redis: _redis,
    } = world().await;
    let sealer = sealer(&parts);
    let app = init_service(app(parts)).await;
    let mut hands = Hands::of(&store).await;
    let old = import(&store, &sealer).await;
    store.cancel(&fleet::tenant(TENANT), old, "enough").await.unwrap();
    assert!(hands.take().await.is_err());
    let (status, _, told) = send!(app, bare(TENANT, &old.to_string()));
    assert_eq!(status, 202, "{told}");
    let new = told["job_id"].as_str().unwrap().parse().unwrap();
    assert_eq!(store.job_spec(P, new).await.unwrap().unwrap().input.get("scope"), None);
}

#[actix_web::test]
async fn what_is_refused_leaves_nothing_behind() {
    let World { store, parts, redis } = world().await;
    let sealer = sealer(&parts);
    let app = init_service(app(parts)).await;
    let mut hands = Hands::of(&store).await;
    let old = import(&store, &sealer).await;
    run(&mut hands, &[0, 1, 2, 3, 4, 5], &[1]).await;
    let keys = || redis.lines(&["KEYS", "*:jobs:*"]).len();
    let (before, id) = (keys(), old.to_string());

    let body = json!({"corrections": [
        {"row": 1, "fields": {"passphrase": format!("{PASSPHRASE}5"), "vlanid": 5000, "colour": 1}},
        {"row": 2, "fields": {"name": "x"}},
        {"row": 77, "fields": {"name": "x"}},
    ]});
    let (status, _, told) = send!(app, post(TENANT, &id, &body));
    let mut at: Vec<_> = told["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["pointer"].as_str().unwrap())
        .collect();
    at.sort_unstable();
    assert_eq!(status, 400);
    let places = [
        "/corrections/0/fields/colour",
        "/corrections/0/fields/vlanid",
        "/corrections/1",
        "/corrections/2",
    ];
    assert_eq!(at, places, "{told}");
    let taken = json!({"corrections": [{"row": 1, "fields": {"passphrase": format!("{PASSPHRASE}5")}}]});
    let (status, _, told) = send!(app, post(TENANT, &id, &taken));
    assert_eq!(
        (status, &told["errors"][0]["code"]),
        (400, &json!("DUPLICATE_PASSPHRASE"))
    );
    assert_eq!(send!(app, post(TENANT, &id, &json!([]))).0, 400);
    assert_eq!(send!(app, bare(TENANT, &id).set_payload("corrections=")).0, 415);
    assert_eq!(send!(app, post("other", &id, &json!({}))).0, 404);
    assert_eq!(send!(app, bare(TENANT, "nonsense")).0, 404);

    // what was stored before there were retries has no rows any more
    let input = format!("workflow:{{p0}}:jobs:{old}:input");
    redis.cli(&["RENAME", &input, "kept"]);
    let (status, _, told) = send!(app, bare(TENANT, &id));
    assert!(
        status == 409 && told["detail"].as_str().unwrap().contains("not stored any more"),
        "{told}"
    );
    redis.cli(&["RENAME", "kept", &input]);
    assert_eq!(keys(), before, "{:?}", redis.lines(&["KEYS", "*:jobs:*"]));
    assert_eq!(
        redis.lines(&["HGET", &format!("workflow:{{p0}}:jobs:{old}"), "retried_by"]),
        [""]
    );
    assert_eq!(send!(app, bare(TENANT, &id)).0, 202);
}

fn admin(method: TestRequest, path: &str, tenant: Option<&str>, roles: &[&str]) -> TestRequest {
    let path = format!("/api/v1/admin/dead-letters{path}");
    method
        .uri(&path)
        .insert_header(("authorization", format!("Bearer {}", token(tenant, roles))))
}

/// A batch that was given up is listed to whom it belongs, taken up once, about its own rows, and is no dead letter any more.
#[actix_web::test]
async fn a_dead_letter_is_replayed_once_about_its_own_rows() {
    let World { store, parts, redis } = world().await;
    let sealer = sealer(&parts);
    let app = init_service(app(parts)).await;
    let mut hands = Hands::of(&store).await;
    let old = import(&store, &sealer).await;
    let rows = |rows: [u32; 3]| rows.map(|row| task(row, &format!("user{row}"), json!({}))).to_vec();
    hands.plan(&[rows([0, 1, 2]), rows([3, 4, 5])], true).await;
    hands.complete(failed).await;
    let listed = async |tenant, roles: &[&str], query: &str| {
        let request = admin(TestRequest::get(), query, tenant, roles);
        let (status, _, body) = send!(app, request);
        assert_eq!(status, 200, "{body}");
        body
    };
    assert_eq!(listed(None, &["operator"], "").await["items"], json!([]));
    hands.bury().await;
    // the whole list, and the same page by page with another's between
    let theirs = JobId::generate().to_string();
    let of_theirs = format!("workflow:{{p0}}:jobs:{theirs}");
    redis.cli(&["HSET", &of_theirs, "t", "umbrella", "status", "RUNNING"]);
    redis.cli(&[
        "XADD",
        "workflow:{p0}:dlq",
        "*",
        "j",
        &theirs,
        "ph",
        "a",
        "b",
        "-1",
        "l",
        "umbrella|1",
        "crashes",
        "5",
        "why",
        "w",
    ]);
    let mine = listed(Some(TENANT), &["admin"], "").await;
    let [letter] = &mine["items"].as_array().unwrap()[..] else {
        panic!("{mine}")
    };
    let told = ["job_id", "tenant_id", "phase", "batch", "why"].map(|name| letter[name].clone());
    let expected = json!([
        old.to_string(),
        TENANT,
        "create_passphrases",
        1,
        "workers kept crashing on it"
    ]);
    assert_eq!(json!(told), expected);
    assert_eq!(mine["next_cursor"], Value::Null);
    assert_eq!((&letter["replayable"], &letter["advice"]), (&json!(true), &Value::Null));
    let first = listed(None, &["operator"], "?limit=1").await;
    assert_eq!(first["items"][0]["tenant_id"], "umbrella", "the newest first");
    let cursor = format!("?limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
    let second = listed(None, &["operator"], &cursor).await;
    assert_eq!((&second["items"][0], &second["next_cursor"]), (letter, &Value::Null));

    let path = format!("/{}/replay", letter["id"].as_str().unwrap());
    let replay = |tenant, roles: &[&str]| admin(TestRequest::post(), &path, tenant, roles);
    for (tenant, path) in [
        ("umbrella", path.as_str()),
        (TENANT, "/0.1-1/replay"),
        (TENANT, "/7.1-1/replay"),
        (TENANT, "/x/replay"),
    ] {
        let (status, _, body) = send!(app, admin(TestRequest::post(), path, Some(tenant), &["admin"]));
        assert_eq!(
            (
                status,
                body["detail"]
                    .as_str()
                    .unwrap()
                    .starts_with("there is no dead letter `")
            ),
            (404, true),
            "{body}"
        );
    }
    let (status, headers, told) = send!(app, replay(None, &["operator"]));
    assert_eq!((status, &told["resume_of"]), (202, &json!(old.to_string())), "{told}");
    let id = told["job_id"].as_str().unwrap();
    assert_eq!(headers.get("location").unwrap(), format!("/api/v1/jobs/{id}").as_str());
    let spec = store.job_spec(P, id.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(
        spec.input["scope"], "3-5",
        "not the rows of the other batch, which failed as well"
    );

    // who asks again, a tenant's administrator too, is told the same job
    assert_eq!(listed(Some(TENANT), &["admin"], "").await["items"], json!([]));
    let (status, headers, again) = send!(app, replay(Some(TENANT), &["admin"]));
    assert_eq!((status, &again["job_id"]), (200, &told["job_id"]), "{again}");
    assert_eq!(headers.get("idempotent-replayed").unwrap(), "true");
    let (status, ..) = send!(app, replay(Some("umbrella"), &["admin"]));
    assert_eq!(status, 404);
}

/// Died between the job and the letter: asked for again it is the same job, and the letter goes. Before its job has ended it is refused.
#[actix_web::test]
async fn a_replay_that_was_cut_short_is_finished_by_the_next() {
    let World { store, parts, redis } = world().await;
    let sealer = sealer(&parts);
    let app = init_service(app(parts)).await;
    let mut hands = Hands::of(&store).await;
    let old = import(&store, &sealer).await;
    let tasks = [0, 1, 2, 3, 4, 5].map(|row| task(row, &format!("user{row}"), json!({})));
    let batches: Vec<_> = tasks.chunks(3).map(<[_]>::to_vec).collect();
    hands.plan(&batches, true).await;
    hands.bury().await;
    let letters = || redis.lines(&["XRANGE", "workflow:{p0}:dlq", "-", "+"]);
    let path = format!("/0.{}/replay", letters()[0]);
    let replay = || admin(TestRequest::post(), &path, Some(TENANT), &["admin"]);
    let (status, _, body) = send!(app, replay());
    assert_eq!((status, &body["state"]), (409, &json!("RUNNING")), "{body}");
    hands.complete(|t| made(t, "passphrase")).await;

    let letter = letters();
    let (status, _, told) = send!(app, replay());
    assert_eq!(status, 202, "{told}");
    // as if the process had died before the letter went
    let replayed = format!("workflow:{{p0}}:dlq:replayed:{}", letter[0]);
    assert_eq!(redis.lines(&["GET", &replayed]), [told["job_id"].as_str().unwrap()]);
    let ttl: u64 = redis.lines(&["TTL", &replayed])[0].parse().unwrap();
    assert!((86_000..=86_400).contains(&ttl), "{ttl}");
    redis.cli(&["DEL", "workflow:{p0}:dlq", &replayed]);
    let fields: Vec<&str> = letter.iter().map(String::as_str).collect();
    redis.cli(&[&["XADD", "workflow:{p0}:dlq", fields[0]], &fields[1..]].concat());
    let (status, _, again) = send!(app, replay());
    assert_eq!((status, &again["job_id"]), (200, &told["job_id"]), "{again}");
    assert_eq!(redis.lines(&["XLEN", "workflow:{p0}:dlq"]), ["0"]);
    assert_eq!(
        store
            .job(&fleet::tenant(TENANT), old)
            .await
            .unwrap()
            .unwrap()
            .retried_by
            .unwrap()
            .to_string(),
        told["job_id"]
    );
}
