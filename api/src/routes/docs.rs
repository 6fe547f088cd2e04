//! `/docs`: the OpenAPI document for people. Swagger UI, out of this binary: nothing of it comes from anywhere else.

use std::sync::{Arc, LazyLock};

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use utoipa_swagger_ui::{Config, serve};

use super::{Access, Endpoint};
use crate::error::{Kind, Problem};

/// What the page needs, of the many files of Swagger UI.
const FILES: [&str; 8] = [
    "index.html",
    "index.css",
    "swagger-ui.css",
    "swagger-ui-bundle.js",
    "swagger-ui-standalone-preset.js",
    "swagger-initializer.js",
    "favicon-16x16.png",
    "favicon-32x32.png",
];

/// Everything from here, and nothing from anywhere else. Swagger UI sets styles on its elements, and draws its arrows with `data:` images.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    let config = Config::new(["../api/openapi.json"])
        // without the bar that loads documents from anywhere, and without the badge of a validator on the internet
        .use_base_layout()
        .validator_url("none")
        .filter(true)
        .try_it_out_enabled(true)
        .display_request_duration(true)
        .default_models_expand_depth(0);
    Arc::new(config)
});

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/docs", Access::Open, from_docs).page(),
        Endpoint::get("/docs/", Access::Open, from_folder).page(),
        Endpoint::get("/docs/{file}", Access::Open, file).page(),
    ]
}

async fn from_docs() -> HttpResponse {
    moved("docs/index.html")
}

async fn from_folder() -> HttpResponse {
    moved("index.html")
}

/// Relative, so that it leads to the right place behind a proxy as well.
fn moved(to: &'static str) -> HttpResponse {
    HttpResponse::TemporaryRedirect()
        .insert_header((header::LOCATION, to))
        .finish()
}

async fn file(name: web::Path<String>) -> Result<HttpResponse, Problem> {
    let missing = || Problem::new(Kind::NotFound, "there is nothing at this path");
    if !FILES.contains(&name.as_str()) {
        return Err(missing());
    }
    let found = serve(&name, CONFIG.clone()).map_err(|error| {
        tracing::error!(%error, file = %name, "a file of /docs cannot be served");
        Problem::internal()
    })?;
    let file = found.ok_or_else(missing)?;
    Ok(HttpResponse::Ok()
        .content_type(file.content_type)
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        // they change with the version only; a browser asks again after an upgrade
        .insert_header((header::CACHE_CONTROL, "private, max-age=3600"))
        .body(file.bytes.into_owned()))
}
