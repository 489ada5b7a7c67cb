//! What is printed as JSON is what `docs/schema` says, no more and no less.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{STOPPED, lockwalk, run};

/// The schema of a command's output.
fn schema(of: &str) -> Value {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema").join(of).with_extension("json");
    serde_json::from_str(&fs::read_to_string(file).expect("there is one for each")).expect("JSON")
}

/// Where the value is not what the schema says. It knows the words that ours use, and no others.
fn objections(root: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut objections = Vec::new();
    let mut demand = |holds: bool, what: &Value| {
        if !holds {
            objections.push(format!("{at}: {value} is not {what}"));
        }
    };
    for (word, what) in schema.as_object().expect("a schema is an object") {
        match word.as_str() {
            "$schema" | "title" | "description" | "$defs" | "items" | "$ref" => {}
            "anyOf" => {
                let mut parts = what.as_array().expect("a list").iter();
                demand(parts.any(|part| self::objections(root, part, value, at).is_empty()), what);
            }
            "properties" => assert!(
                schema.get("additionalProperties").is_some(),
                "{at}: the schema leaves open what else there may be"
            ),
            "additionalProperties" => assert_eq!(what, false, "{at}: there is nothing else"),
            "const" => demand(value == what, what),
            "enum" => demand(what.as_array().expect("a list").contains(value), what),
            "minimum" => demand(value.is_null() || value.as_f64() >= what.as_f64(), what),
            "type" => demand(
                what.as_array().unwrap_or(&vec![what.clone()]).iter().any(|name| is_a(value, name)),
                what,
            ),
            "required" if value.is_null() => {}
            "required" => demand(
                what.as_array()
                    .expect("a list")
                    .iter()
                    .all(|name| value.get(name.as_str().expect("a name")).is_some()),
                what,
            ),
            _ => panic!("what does {word} mean?"),
        }
    }
    if let Some((file, part)) = schema["$ref"].as_str().and_then(|name| name.split_once('#')) {
        let other = (!file.is_empty()).then(|| self::schema(file));
        let root = other.as_ref().unwrap_or(root);
        let part = root.pointer(part).unwrap_or_else(|| panic!("{part} is missing"));
        objections.extend(self::objections(root, part, value, at));
    }
    for (name, part) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(name) {
            Some(what) => {
                objections.extend(self::objections(root, what, part, &format!("{at}.{name}")))
            }
            None if schema.get("$ref").or(schema.get("anyOf")).is_some() => {}
            None => objections.push(format!("{at}: {name} is not expected")),
        }
    }
    for (n, part) in value.as_array().into_iter().flatten().enumerate() {
        objections.extend(self::objections(root, &schema["items"], part, &format!("{at}[{n}]")));
    }
    objections
}

fn is_a(value: &Value, name: &Value) -> bool {
    match name.as_str().expect("a name") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("what is a {other}?"),
    }
}

/// The value with one thing changed somewhere: each field taken away, each given another name, each
/// value another type.
fn damaged(value: &Value) -> Vec<Value> {
    let mut all = vec![if value.is_object() {
        Value::from("else")
    } else {
        serde_json::json!({ "else": value })
    }];
    for (name, part) in value.as_object().into_iter().flatten() {
        let without = || {
            let mut without = value.clone();
            without.as_object_mut().expect("it is one").remove(name);
            without
        };
        let (mut renamed, missing) = (without(), without());
        renamed[format!("{name}_")] = part.clone();
        all.extend([renamed, missing]);
        all.extend(damaged(part).into_iter().map(|part| {
            let mut changed = value.clone();
            changed[name] = part;
            changed
        }));
    }
    // What is true of the first is true of the others.
    if let Some(first) = value.as_array().and_then(|parts| parts.first()) {
        all.extend(damaged(first).into_iter().map(|part| {
            let mut changed = value.clone();
            changed[0] = part;
            changed
        }));
    }
    all
}

/// Every kind of verdict, coverage and ending is among them.
#[test]
fn json_is_what_its_schema_says() {
    let mut all = String::new();
    for args in [
        "check =S3.1 =S3.3 =S3.4 =S3.8 --engine dpor",
        "check =S3.7 --protocol 3.7 --engine dpor --executions 1",
        "check =S3.1 --protocol 2.6.36+vma_adjust_lock=nothing --engine dpor",
        "check =S3.7 --engine random --iterations 20",
        "check =S0.3 --protocol 2.6.29 --engine loom",
        "check =S0.2 --protocol 2.6.11 --engine loom",
        "explain =S3.1",
        "explain =S3.3",
        "explain =S3.4",
        "explain =S0.6/left --protocol 5.9",
        "explain =S3.1 --protocol 2.6.36",
        "matrix =S0.9 --rule vma_adjust_lock --executions 60",
        "matrix =S0.3 --eras --executions 60",
        "list",
        "list MIG-1",
        "stress --threads 1 --operations 1000",
        "stress --protocol 2.6.22 --threads 1 --without pin --steps 3",
        "selfcheck =S3.1 --executions 5",
        "conform --trace conformance/golden/6.18.txt --protocol 5.10",
        "bench --memory --time 100ms",
        "bench --weak --time 50ms",
        "bench --family bug --family locked --size 1,1,1 --size 1,5,1 --time 50ms",
    ] {
        let schema = schema(args.split(' ').next().expect("a command"));
        let printed =
            lockwalk(&format!("{args} --format json")).output().expect("it starts").stdout;
        let json: Value = serde_json::from_slice(&printed).expect("JSON");
        assert_eq!(objections(&schema, &schema, &json, "it"), [""; 0], "lockwalk {args}");
        for damaged in damaged(&json) {
            assert!(
                !objections(&schema, &schema, &damaged, "it").is_empty(),
                "lockwalk {args}: the schema allows {damaged:#}"
            );
        }
        all += &json.to_string();
    }
    for word in [
        "exhaustive",
        "bounded",
        "sampled",
        "settled",
        "unfinished",
        "violates",
        "holds",
        "unstated",
        "audit",
        "deadlock",
        "livelock",
    ] {
        assert!(all.contains(&format!(":\"{word}\"")), "nothing is an example of {word}");
    }
    for word in
        ["violated", "never", "never-within", "not-seen", "undecided", "as-documented", "differs"]
    {
        assert!(all.contains(&format!(":\"{word}\"")), "nothing is an example of {word}");
    }
}

/// A cell that was given up says so, whatever was found in it.
#[test]
fn a_matrix_says_the_same_in_every_format() {
    let matrix = "matrix =S0.9 --rule vma_adjust_lock --base 2.6.34 --executions 60";
    let (cells, legend) =
        (["PIN-1 …"; 3], "\n…: not all of it was explored, so that more may be violated.\n");
    let given_up = |args: &str| run(args, STOPPED).0;
    let table = given_up(matrix);
    assert!(
        table.contains(&format!("S0.9  {}\n", cells.join("  "))) && table.ends_with(legend),
        "{table}"
    );
    let markdown = given_up(&format!("{matrix} --format markdown"));
    assert!(
        markdown.contains(&format!("| S0.9 | {} |\n", cells.join(" | ")))
            && markdown.ends_with(legend),
        "{markdown}"
    );
    let json: Value =
        serde_json::from_str(&given_up(&format!("{matrix} --format json"))).expect("JSON");
    assert_eq!(
        [&json["rule"], &json["base"], &json["columns"][0]["protocol"]],
        ["vma_adjust_lock", "2.6.34", "2.6.34"]
    );
    let cell = &json["rows"][0]["cells"][0];
    assert_eq!(
        [&cell["verdict"], &cell["violates"], &cell["coverage"]["kind"]],
        ["violated", "PIN-1", "unfinished"]
    );
}
