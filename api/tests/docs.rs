//! `/docs`: everything the page needs comes from here, and the page can reach nothing else.

mod common;

use actix_web::test::{TestRequest, call_service, init_service, read_body};
use api::server::app;
use common::storeless;

macro_rules! get {
    ($app:expr, $path:expr) => {{
        let answer = call_service(&$app, TestRequest::get().uri($path).to_request()).await;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let header = move |name: &str| {
            headers
                .get(name)
                .map(|v| v.to_str().unwrap().to_owned())
                .unwrap_or_default()
        };
        (
            status,
            header,
            String::from_utf8_lossy(&read_body(answer).await).into_owned(),
        )
    }};
}

/// What HTML names by `src` and `href`.
fn linked(html: &str) -> Vec<String> {
    let parts = html.split(['"']).collect::<Vec<_>>();
    let named = parts
        .windows(2)
        .filter(|w| w[0].ends_with("src=") || w[0].ends_with("href="));
    named.map(|w| w[1].to_owned()).collect()
}

#[actix_web::test]
async fn the_way_leads_to_a_page_that_needs_no_token() {
    let app = init_service(app(storeless())).await;
    for (path, to) in [("/docs", "docs/index.html"), ("/docs/", "index.html")] {
        let (status, header, _) = get!(app, path);
        assert_eq!((status, header("location").as_str()), (307, to), "{path}");
    }
    let (status, header, html) = get!(app, "/docs/index.html");
    assert_eq!((status, header("content-type").as_str()), (200, "text/html"));
    assert!(html.contains("swagger-ui"));
    let (_, _, start) = get!(app, "/docs/swagger-initializer.js");
    assert!(start.contains("\"../api/openapi.json\""), "{start}");
    assert!(
        start.contains("\"validatorUrl\": \"none\""),
        "no badge of a validator elsewhere: {start}"
    );
}

#[actix_web::test]
async fn everything_the_page_names_is_served_from_here() {
    let app = init_service(app(storeless())).await;
    let (_, _, html) = get!(app, "/docs/index.html");
    let named = linked(&html);
    assert!(named.len() >= 7, "{named:?}");
    for name in &named {
        let path = format!("/docs/{}", name.trim_start_matches("./"));
        let (status, header, body) = get!(app, &path);
        assert_eq!(status, 200, "{path}");
        assert!(!body.is_empty(), "{path}");
        let kind = header("content-type");
        let expected = match path.rsplit('.').next().unwrap() {
            "js" => "text/javascript",
            "css" => "text/css",
            _ => "image/png",
        };
        assert_eq!(kind, expected, "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
    }
    for path in ["/docs/index.html", "/docs/swagger-initializer.js", "/docs/index.css"] {
        let (_, _, text) = get!(app, path);
        assert!(!text.contains("://"), "{path} names another site");
    }
    let (_, _, css) = get!(app, "/docs/swagger-ui.css");
    assert!(!css.contains("@import"), "a style sheet of another site");
    for url in css.split("url(").skip(1) {
        assert!(
            url.trim_start_matches(['"', '\'']).starts_with("data:"),
            "{}",
            &url[..40]
        );
    }
}

#[actix_web::test]
async fn the_page_may_reach_this_server_and_nothing_else() {
    let app = init_service(app(storeless())).await;
    let (_, header, _) = get!(app, "/docs/index.html");
    let policy = header("content-security-policy");
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    for part in [
        "script-src 'self'",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ] {
        assert!(policy.split("; ").any(|p| p == part), "{part}: {policy}");
    }
    assert!(
        !policy.contains("://") && !policy.contains('*') && !policy.contains("unsafe-eval"),
        "{policy}"
    );
    assert_eq!(header("x-frame-options"), "DENY");
    let (_, header, _) = get!(app, "/healthz");
    assert_eq!(
        header("content-security-policy"),
        "default-src 'none'; frame-ancestors 'none'"
    );
}

#[actix_web::test]
async fn what_the_page_does_not_need_is_not_there() {
    let app = init_service(app(storeless())).await;
    for path in [
        "/docs/oauth2-redirect.html",
        "/docs/swagger-ui.js",
        "/docs/%2e%2e",
        "/docs/a/b",
        "/docs/nothing",
    ] {
        let (status, header, _) = get!(app, path);
        assert_eq!(
            (status, header("content-type").as_str()),
            (404, "application/problem+json"),
            "{path}"
        );
    }
}
