//! Both sides speak one protocol: what the page declares is what the server's types say.

use rankfall_live::protocol::{self, Request, Settings};
use std::path::Path;

const HEAD: &str = "// Generated from crates/rankfall-live/src/protocol.rs: BLESS=1 cargo test -p rankfall-live --test protocol\n\n";

#[test]
fn the_page_declares_what_the_server_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("page/src/protocol.ts");
    let expected = format!("{HEAD}{}\n", protocol::typescript().trim_end());
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap();
    assert_eq!(found, expected, "BLESS=1 writes it anew");
}

#[test]
fn unknown_and_missing_fields_are_refused() {
    let motion = r#"{"of":0,"kind":"sgd","step_size":0.1,"label_noise":0,"batch_size":1,
        "forces":{"split":"regular","gradient":1,"own_noise":1,"common":1,"repulsion":1}}"#;
    let settings = |more: &str| {
        format!(
            r#"{{"seed":1,"trajectories":2,"width":3,"inputs":2,"outputs":1,"teacher_rank":null,
            "first":{motion},"second":null,"speed":null,"shown":0,"paused":false{more}}}"#
        )
    };
    assert!(serde_json::from_str::<Settings>(&settings("")).is_ok());
    assert!(serde_json::from_str::<Settings>(&settings(",\"path\":\"/etc/passwd\"")).is_err());
    assert!(serde_json::from_str::<Settings>(&settings("").replace("\"seed\":1,", "")).is_err());
    assert!(serde_json::from_str::<Request>("{\"session\":\"x\"}").is_ok());
    assert!(serde_json::from_str::<Request>("{}").is_err());
}
