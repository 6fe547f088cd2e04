//! All routes at once: who may call which, what the document says of them, and that every error is a problem.

mod common;

use std::collections::BTreeSet;

use actix_web::body::MessageBody;
use actix_web::http::{Method, StatusCode};
use actix_web::test::{TestRequest, call_service, init_service, read_body, read_body_json};
use api::routes::{self, Access};
use api::server::app;
use common::{storeless, token};
use serde_json::Value;

const JOB: &str = "0197a1b2-0000-7000-8000-000000000000";

fn concrete(template: &str) -> String {
    template
        .replace("{id}", JOB)
        .replace("{letter}", "0.1-1")
        .replace("{name}", "cloudpath_dpsk_import")
        .replace("{file}", "index.html")
}

fn request(method: &Method, path: &str, token: Option<&str>) -> TestRequest {
    let mut request = TestRequest::default().method(method.clone()).uri(path);
    if let Some(token) = token {
        request = request.insert_header(("authorization", format!("Bearer {token}")));
    }
    request
}

/// Who is let through; without a store behind them, whoever is gets anything but 401 and 403.
fn may(access: Access, roles: &[&str]) -> bool {
    let has = |role| roles.contains(&role);
    match access {
        Access::Open => true,
        Access::Read => has("viewer") || has("user") || has("admin") || has("operator"),
        Access::Submit => has("user") || has("admin"),
        Access::Steer => has("user") || has("admin") || has("operator"),
        Access::Administer => has("admin") || has("operator"),
        Access::Operate => has("operator"),
    }
}

#[actix_web::test]
async fn every_route_lets_exactly_its_roles_through() {
    let app = init_service(app(storeless())).await;
    let roles: [&[&str]; 7] = [
        &["viewer"],
        &["user"],
        &["admin"],
        &["operator"],
        &["viewer", "operator"],
        &["stranger"],
        &[],
    ];
    for endpoint in routes::all() {
        let path = concrete(endpoint.path);
        let open = endpoint.access == Access::Open;
        for bad in [None, Some("x.y.z")] {
            let answer = call_service(&app, request(&endpoint.method, &path, bad).to_request()).await;
            assert_eq!(answer.status() == 401, !open, "{} {path} with {bad:?}", endpoint.method);
            assert_eq!(answer.headers().contains_key("www-authenticate"), !open, "{path}");
        }
        for roles in roles {
            let tenant = Some("acme").filter(|_| !roles.contains(&"operator"));
            let token = token(tenant, roles);
            let status = call_service(&app, request(&endpoint.method, &path, Some(&token)).to_request())
                .await
                .status();
            assert_ne!(status, StatusCode::UNAUTHORIZED, "{path}");
            let let_through = status != StatusCode::FORBIDDEN;
            assert_eq!(
                let_through,
                may(endpoint.access, roles),
                "{} {path} as {roles:?}",
                endpoint.method
            );
        }
    }
}

#[actix_web::test]
async fn head_is_answered_like_get_without_a_body() {
    let app = init_service(app(storeless())).await;
    let operator = token(None, &["operator"]);
    let mut called = 0;
    for endpoint in routes::all() {
        let path = concrete(endpoint.path);
        let call = async |method: Method| {
            let mut answer = call_service(&app, request(&method, &path, Some(&operator)).to_request()).await;
            // of every answer another one
            answer.headers_mut().remove("x-request-id");
            let (head, size) = (answer.response().head().clone(), answer.response().body().size());
            let mut headers: Vec<String> = head.headers.iter().map(|header| format!("{header:?}")).collect();
            headers.sort_unstable();
            (head.status, headers, size, read_body(answer).await)
        };
        if endpoint.method != Method::GET {
            let told = call(Method::HEAD).await;
            assert!(told.0 == 405 && told.3.is_empty(), "HEAD {path}: {told:?}");
            continue;
        }
        let (get, head) = (call(Method::GET).await, call(Method::HEAD).await);
        assert_eq!((head.0, &head.1), (get.0, &get.1), "{path}");
        assert!(head.3.is_empty(), "{path}");
        if !["/metrics", "/healthz"].contains(&endpoint.path) && get.0 == 200 {
            assert_eq!(head.2, get.2, "{path}");
        }
        called += 1;
    }
    assert!(called > 12, "{called}");
    let answer = call_service(&app, TestRequest::delete().uri("/api/v1/jobs").to_request()).await;
    assert_eq!(answer.headers().get("allow").unwrap(), "GET, HEAD");
}

#[actix_web::test]
async fn the_document_has_every_route_and_no_other() {
    let app = init_service(app(storeless())).await;
    let answer = call_service(&app, request(&Method::GET, "/api/openapi.json", None).to_request()).await;
    let document: Value = read_body_json(answer).await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut documented = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            documented.insert(format!("{} {path}", method.to_uppercase()));
            for (status, response) in operation["responses"].as_object().unwrap() {
                if status.starts_with(['4', '5']) {
                    let body = &response["content"]["application/problem+json"]["schema"]["$ref"];
                    assert_eq!(body, "#/components/schemas/Problem", "{method} {path} {status}");
                }
            }
        }
    }
    let registered: BTreeSet<String> = routes::all()
        .iter()
        .filter(|e| !e.is_page)
        .map(|e| format!("{} {}", e.method, e.path))
        .collect();
    assert_eq!(documented, registered);
    for endpoint in routes::all().into_iter().filter(|e| !e.is_page) {
        let operation = &document["paths"][endpoint.path][endpoint.method.as_str().to_lowercase()];
        let open = operation.get("security").is_some();
        assert_eq!(open, endpoint.access == Access::Open, "security of {}", endpoint.path);
        let has_401 = operation["responses"].get("401").is_some();
        assert_eq!(has_401, endpoint.access != Access::Open, "401 of {}", endpoint.path);
    }
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
}

#[actix_web::test]
async fn every_reference_in_the_document_leads_somewhere() {
    let document = serde_json::to_value(api::openapi::document()).unwrap();
    fn walk<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|v| walk(v, found));
            }
            Value::Array(items) => items.iter().for_each(|v| walk(v, found)),
            _ => {}
        }
    }
    let mut references = Vec::new();
    walk(&document, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        let pointer = reference.trim_start_matches('#');
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[actix_web::test]
async fn errors_are_problems_whoever_makes_them() {
    let app = init_service(app(storeless())).await;
    let user = token(Some("acme"), &["user"]);
    let operator_of_one = token(Some("acme"), &["operator"]);
    let long = "x".repeat(17_000);
    let cases = [
        (TestRequest::get().uri("/nope"), 404),
        (TestRequest::get().uri("/api/v1/jobs/"), 404),
        (TestRequest::delete().uri("/api/v1/jobs"), 405),
        (TestRequest::get().uri("/api/cloudpath-dpsk/import"), 405),
        (TestRequest::get().uri("/api/v1/jobs"), 401),
        (TestRequest::get().uri("/healthz").insert_header(("x-long", long)), 431),
        (TestRequest::get().uri("/readyz"), 503),
        (auth(TestRequest::get().uri("/api/v1/jobs"), &user), 503),
        (auth(TestRequest::get().uri("/api/v1/jobs"), &operator_of_one), 403),
        (
            auth(TestRequest::get().uri("/api/v1/jobs?limit=0&statsu=X"), &user),
            400,
        ),
        (auth(TestRequest::get().uri("/api/v1/jobs?cursor=1"), &user), 400),
        // of an operator's list, which is another one
        (
            auth(
                TestRequest::get().uri(&format!("/api/v1/jobs?cursor=1.{JOB}.acme")),
                &user,
            ),
            400,
        ),
        (auth(TestRequest::get().uri("/api/v1/workflows?limit=201"), &user), 400),
        (
            auth(TestRequest::get().uri("/api/v1/workflows/x?verbose=1"), &user),
            400,
        ),
        (
            auth(
                TestRequest::post().uri(&format!("/api/v1/jobs/{JOB}/pause?reason=x")),
                &user,
            ),
            400,
        ),
        (
            json(auth(
                TestRequest::post().uri("/api/cloudpath-dpsk/import?dry_run=1"),
                &user,
            ))
            .set_payload("{}"),
            400,
        ),
        (auth(TestRequest::get().uri("/api/v1/jobs/no-id"), &user), 404),
        (auth(TestRequest::get().uri("/api/v1/workflows/nope"), &user), 404),
        (
            auth(TestRequest::post().uri(&format!("/api/v1/jobs/{JOB}/pause")), &user).set_payload("{"),
            415,
        ),
        (
            json(auth(
                TestRequest::post().uri(&format!("/api/v1/jobs/{JOB}/pause")),
                &user,
            ))
            .set_payload("{"),
            400,
        ),
        (
            json(auth(
                TestRequest::post().uri(&format!("/api/v1/jobs/{JOB}/cancel")),
                &user,
            ))
            .set_payload(r#"{"reason":7,"x":1}"#),
            400,
        ),
        (
            json(auth(
                TestRequest::post().uri(&format!("/api/v1/jobs/{JOB}/pause")),
                &user,
            ))
            .set_payload(" ".repeat(65 * 1024)),
            413,
        ),
        (
            auth(TestRequest::post().uri("/api/cloudpath-dpsk/import"), &user).set_payload("{}"),
            415,
        ),
        (
            json(auth(TestRequest::post().uri("/api/cloudpath-dpsk/import"), &user)).set_payload("{}"),
            503,
        ),
    ];
    for (request, status) in cases {
        let request = request.to_request();
        let what = format!("{} {}", request.method(), request.uri());
        let path = request.uri().path().to_owned();
        let answer = call_service(&app, request).await;
        assert_eq!(answer.status().as_u16(), status, "{what}");
        let headers = answer.headers().clone();
        assert_eq!(
            headers.get("content-type").unwrap(),
            "application/problem+json",
            "{what}"
        );
        assert_eq!(headers.contains_key("allow"), status == 405, "{what}");
        assert_eq!(headers.contains_key("retry-after"), status == 503, "{what}");
        let problem: Value = read_body_json(answer).await;
        assert_eq!(problem["status"], status, "{what}");
        assert_eq!(problem["instance"], path, "{what}");
        assert_eq!(
            problem["request_id"],
            headers.get("x-request-id").unwrap().to_str().unwrap(),
            "{what}"
        );
        assert!(
            problem["type"].as_str().unwrap().starts_with("urn:phaseline:problem:"),
            "{what}"
        );
        assert!(!problem["detail"].as_str().unwrap().is_empty(), "{what}");
        if status == 400 {
            assert!(!problem["errors"].as_array().unwrap().is_empty(), "{what}");
        }
    }
}

fn auth(request: TestRequest, token: &str) -> TestRequest {
    request.insert_header(("authorization", format!("Bearer {token}")))
}

fn json(request: TestRequest) -> TestRequest {
    request.insert_header(("content-type", "application/json; charset=utf-8"))
}

#[actix_web::test]
async fn all_faults_of_a_small_body_are_told_with_their_place() {
    let app = init_service(app(storeless())).await;
    let request = auth(
        TestRequest::post().uri(&format!("/api/v1/jobs/{JOB}/pause")),
        &token(Some("acme"), &["user"]),
    );
    let request = json(request).set_payload(r#"{"reason":7,"a/b":1}"#).to_request();
    let problem: Value = read_body_json(call_service(&app, request).await).await;
    let pointers: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["pointer"].clone())
        .collect();
    assert_eq!(pointers, ["/a~1b", "/reason"]);
}

#[actix_web::test]
async fn the_list_of_workflows_pages_by_name() {
    let app = init_service(app(storeless())).await;
    let viewer = token(Some("acme"), &["viewer"]);
    let page = async |path: String| -> Value {
        let request = auth(TestRequest::get().uri(&path), &viewer).to_request();
        read_body_json(call_service(&app, request).await).await
    };
    let all = page("/api/v1/workflows".to_owned()).await;
    let names = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|w| w["name"].as_str().unwrap().to_owned()).collect()
    };
    assert!(names(&all).is_sorted() && all["next_cursor"].is_null());
    let (mut found, mut path) = (Vec::new(), "/api/v1/workflows?limit=1".to_owned());
    loop {
        let one = page(path).await;
        assert_eq!(names(&one).len(), 1, "a page that has no item is not promised before");
        found.extend(names(&one));
        let Some(cursor) = one["next_cursor"].as_str() else {
            break;
        };
        path = format!("/api/v1/workflows?limit=1&cursor={cursor}");
    }
    assert_eq!(found, names(&all));
    let behind = page("/api/v1/workflows?cursor=zzz".to_owned()).await;
    assert!(names(&behind).is_empty());
}

#[actix_web::test]
async fn dev_mode_serves_this_machine_only() {
    let mut parts = storeless();
    parts.verifier = actix_web::web::Data::new(api::auth::Verifier::dev());
    let app = init_service(app(parts)).await;
    let from = |name: &'static str, value: &'static str| {
        TestRequest::get()
            .uri("/api/v1/workflows")
            .insert_header((name, value))
            .to_request()
    };
    for (name, value, status) in [
        ("host", "localhost:8080", 200),
        ("host", "127.0.0.1", 200),
        ("host", "[::1]:8080", 200),
        ("host", "rebound.example:8080", 403),
        ("origin", "http://localhost:5173", 200),
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
    ] {
        assert_eq!(
            call_service(&app, from(name, value)).await.status().as_u16(),
            status,
            "{name}: {value}"
        );
    }
}

#[actix_web::test]
async fn metrics_name_route_templates_not_ids() {
    let app = init_service(app(storeless())).await;
    let user = token(Some("acme"), &["user"]);
    call_service(
        &app,
        request(&Method::GET, &format!("/api/v1/jobs/{JOB}"), Some(&user)).to_request(),
    )
    .await;
    call_service(&app, request(&Method::GET, "/some/nonsense", None).to_request()).await;
    let answer = call_service(&app, request(&Method::GET, "/metrics", None).to_request()).await;
    let page = String::from_utf8(read_body(answer).await.to_vec()).unwrap();
    assert!(
        page.contains(r#"phaseline_api_http_requests_total{method="GET",route="/api/v1/jobs/{id}",status="503"} 1"#)
    );
    assert!(!page.contains(JOB) && !page.contains("nonsense"), "{page}");
}

#[actix_web::test]
async fn a_panic_is_a_problem_that_gives_nothing_away() {
    let metrics = actix_web::web::Data::new(api::metrics::Metrics::default());
    let boom = || async {
        assert!(std::hint::black_box(false), "hunter22");
        "unreachable"
    };
    let app = actix_web::App::new()
        .app_data(metrics.clone())
        .route("/boom", actix_web::web::get().to(boom))
        .wrap(actix_web::middleware::from_fn(api::observe::observe));
    let app = init_service(app).await;
    let error = actix_web::dev::Service::call(&app, TestRequest::get().uri("/boom").to_request())
        .await
        .unwrap_err();
    let answer = error.error_response();
    assert_eq!(answer.status(), 500);
    let body = actix_web::body::to_bytes(answer.into_body()).await.ok().unwrap();
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["instance"], "/boom");
    assert!(!problem.to_string().contains("hunter22"));
    assert!(metrics.encode().unwrap().contains("phaseline_api_panics_total 1"));
}
