//! The committed header is what the comments in `src` say, every function of it is documented, and
//! C and C++ compilers take it without a warning.

use std::{fs, path::Path, process::Command};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn generated() -> String {
    let root = Path::new(ROOT);
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml");
    let mut text = vec![];
    // The files one by one: looking for other crates would run cargo.
    ["code", "device", "message"]
        .iter()
        .fold(
            cbindgen::Builder::new().with_config(config),
            |builder, name| builder.with_src(root.join(format!("src/{name}.rs"))),
        )
        .generate()
        .expect("the header")
        .write(&mut text);
    String::from_utf8(text).expect("UTF-8")
}

#[test]
fn the_header_is_what_the_sources_say() {
    let path = Path::new(ROOT).join("include/sealwire.h");
    let generated = generated();
    if std::env::var_os("SEALWIRE_BLESS").is_some() {
        fs::write(&path, &generated).expect("the header is written");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "{} is out of date: SEALWIRE_BLESS=1 cargo test --release -p sealwire-capi",
        path.display()
    );
}

#[test]
fn every_function_is_documented_and_used_by_a_c_program() {
    let header = generated();
    let (_, header) = header.split_once("extern \"C\" {").expect("functions");
    let programs = ["device.c", "enrol.c"].map(|name| {
        fs::read_to_string(format!("{ROOT}/tests/{name}")).expect("a C program of the tests")
    });
    let mut exported = 0;
    for name in ["code", "device", "message"] {
        let source = fs::read_to_string(format!("{ROOT}/src/{name}.rs")).expect("a source");
        for function in source.split("extern \"C\" fn ").skip(1) {
            let function = function.split('(').next().unwrap_or_default();
            let declared = header.find(&format!("{function}(")).expect(function);
            // Between the function before it and this one there is a comment.
            let before = &header[..declared];
            let gap = &before[before.rfind(");\n").map_or(0, |end| end + 3)..];
            assert!(gap.contains("/**"), "{function} isn't documented");
            let call = format!("{function}(");
            assert!(
                programs.iter().any(|program| program.contains(&call)),
                "no C program of the tests calls {function}"
            );
            exported += 1;
        }
    }
    assert!(exported > 25, "only {exported} functions were found");
}

#[test]
fn compilers_take_it_without_a_warning() {
    let dir = tempfile::tempdir().expect("a directory");
    let strict = [
        "-Wall",
        "-Wextra",
        "-Wpedantic",
        "-Wstrict-prototypes",
        "-Werror",
    ];
    fs::write(dir.path().join("sealwire.h"), generated()).expect("the header");
    let use_it = "#include <sealwire.h>\nint main(void) { return sealwire_version() == 0; }\n";
    let compile = |compiler: &str, file: &str, flags: &[&str]| {
        let source = dir.path().join(file);
        fs::write(&source, use_it).expect("a source");
        Command::new(compiler)
            .args(flags)
            .arg("-I")
            .arg(dir.path())
            .arg("-c")
            .arg(&source)
            .arg("-o")
            .arg(dir.path().join("out.o"))
            .output()
    };
    for standard in ["-std=c99", "-std=c11"] {
        let flags = [&[standard], &strict[..]].concat();
        let output = compile("cc", "use.c", &flags).expect("a C compiler: cc");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let flags = ["-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"];
    match compile("c++", "use.cc", &flags) {
        Ok(output) => {
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Err(_) => eprintln!("SKIPPED: there is no C++ compiler (c++); C was checked"),
    }
}
