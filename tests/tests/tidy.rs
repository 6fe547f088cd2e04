//! What holds for the repository as a whole, checked on its files.

use std::path::{Path, PathBuf};

use shared::config::VARIABLES;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// Rust sources below a folder, with their paths from the root.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(root()).unwrap().display().to_string();
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

#[test]
fn the_example_of_an_environment_names_every_setting_with_its_default() {
    let example = text(".env.example");
    let lines: Vec<&str> = example.lines().map(|line| line.trim_start_matches('#')).collect();
    for (name, default, ..) in VARIABLES {
        let line = format!("{name}={default}");
        assert!(lines.contains(&line.as_str()), "{line} is not in .env.example");
    }
}

#[test]
fn members_know_only_what_is_below_them() {
    let forbidden = [
        ("api/Cargo.toml", "worker"),
        ("api/Cargo.toml", "redis"),
        ("worker/Cargo.toml", "redis"),
        ("worker/Cargo.toml", "actix-web"),
        ("shared/Cargo.toml", "reqwest"),
        ("shared/Cargo.toml", "actix-web"),
    ];
    for (manifest, name) in forbidden {
        let manifest_text = text(manifest);
        let normal = manifest_text.split("[dev-dependencies]").next().unwrap();
        let is_named = normal
            .lines()
            .any(|line| line.starts_with(&format!("{name}.")) || line.starts_with(&format!("{name} ")));
        assert!(!is_named, "{manifest} depends on {name}");
    }
    // only the store speaks Redis
    for (path, source) in sources("shared/src")
        .into_iter()
        .filter(|(path, _)| !path.starts_with("shared/src/store"))
    {
        assert!(!source.contains("redis::"), "{path} uses the redis crate");
    }
}

#[test]
fn witnesses_use_nothing_of_the_product() {
    for (path, source) in sources("tests/src") {
        let is_ours = ["shared::", "worker::", "api::"].iter().any(|name| {
            source
                .lines()
                .any(|line| line.trim_start().starts_with(&format!("use {name}")))
        });
        assert!(!is_ours, "{path} imports the product it has to judge");
    }
}

#[test]
fn the_engine_names_no_vendor() {
    for (path, source) in sources("worker/src/engine") {
        let imports = source.lines().filter(|line| line.trim_start().starts_with("use "));
        let found = imports
            .filter(|line| line.contains("::r1") || line.contains("cloudpath"))
            .collect::<Vec<_>>();
        assert!(found.is_empty(), "{path}: {found:?}");
    }
}
