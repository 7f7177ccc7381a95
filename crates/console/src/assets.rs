//! The pages: built from `web/`, committed in `assets/`, embedded.
//!
//! Files with a digest in their name, under `assets/`, are kept by browsers for ever; everything else is asked
//! for again and compared by its digest (`ETag`). A path without a file that isn't one of the interface's is the
//! application's own: it gets `index.html`.

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::problem::Problem;

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Assets;

/// Where files with a digest in their name are.
const HASHED: &str = "assets/";
/// The application.
const INDEX: &str = "index.html";

pub(crate) async fn page(request: Request) -> Response {
    let path = request.uri().path().trim_start_matches('/');
    if path == "api" || path.starts_with("api/") {
        let detail = "there is no such path: see /api/openapi.json";
        return Problem::not_found(detail).into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        let detail = "pages are read with GET";
        return Problem::new(status, "method", "Method not allowed", detail).into_response();
    }
    let known = request.headers().get(header::IF_NONE_MATCH);
    match Assets::get(path).filter(|_| !path.is_empty()) {
        Some(file) => answer(path, file, known),
        // A file that is gone: the application was built anew since the page was opened.
        None if path.starts_with(HASHED) => {
            Problem::not_found("that file isn't part of this version: open the page anew")
                .into_response()
        }
        None => match Assets::get(INDEX) {
            Some(file) => answer(INDEX, file, known),
            None => Problem::not_found("the pages aren't built into this program").into_response(),
        },
    }
}

fn answer(path: &str, file: EmbeddedFile, known: Option<&HeaderValue>) -> Response {
    let tag = format!("\"{}\"", hex::encode(&file.metadata.sha256_hash()[..16]));
    let caching = if path.starts_with(HASHED) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let unchanged = known.is_some_and(|it| it.as_bytes() == tag.as_bytes());
    let body = if unchanged {
        Body::empty()
    } else {
        Body::from(file.data)
    };
    let mut response = Response::new(body);
    if unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind(path)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// The media type of a file, by its name.
fn kind(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "webmanifest") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("wasm") => "application/wasm",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_file_has_a_type_of_its_own() {
        let mut files = 0;
        for path in Assets::iter() {
            files += 1;
            assert_ne!(kind(&path), "application/octet-stream", "{path}");
        }
        assert!(files > 0 && Assets::get(INDEX).is_some());
    }
}
