//! What is printed as JSON is what docs/lockwalk.schema.json says, field by field.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::lockwalk;

/// The part of JSON Schema that the file uses; another word in it is an error, or it would be there in vain.
struct Schema(Value);

impl Schema {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/lockwalk.schema.json");
        Self(serde_json::from_str(&fs::read_to_string(path).expect("the schema is there")).expect("it is JSON"))
    }

    /// Is `value` a document of the kind that `$defs` calls `kind`?
    fn check(&self, kind: &str, value: &Value) -> Result<(), String> {
        self.fits(value, &serde_json::json!({ "$ref": format!("#/$defs/{kind}") }), "")
    }

    fn fits(&self, value: &Value, schema: &Value, at: &str) -> Result<(), String> {
        let wrong = |why: String| Err(format!("{at}: {why}: {value}"));
        let is = |kind: &str| match kind {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            "number" => value.is_number(),
            "integer" => value.is_u64() || value.is_i64(),
            other => panic!("{other} is no type"),
        };
        for (word, wants) in schema.as_object().expect("a schema is an object") {
            match (word.as_str(), wants) {
                ("description", _) => {}
                ("$ref", Value::String(name)) => {
                    let named = name.strip_prefix('#').and_then(|pointer| self.0.pointer(pointer));
                    self.fits(value, named.unwrap_or_else(|| panic!("{name} is not there")), at)?;
                }
                ("type", Value::String(kind)) if !is(kind) => return wrong(format!("it is no {kind}")),
                ("const", constant) if value != constant => return wrong(format!("it is not {constant}")),
                ("enum", Value::Array(all)) if !all.contains(value) => return wrong("it is none of those".into()),
                ("minimum", least) if value.as_f64() < least.as_f64() => return wrong("it is too small".into()),
                ("type" | "const" | "enum" | "minimum", _) => {}
                ("anyOf", Value::Array(all)) => {
                    let refusals: Vec<_> = all.iter().map(|schema| self.fits(value, schema, at)).filter_map(Result::err).collect();
                    if refusals.len() == all.len() {
                        return wrong(format!("it is nothing of this: {refusals:#?}"));
                    }
                }
                ("items", schema) => {
                    let items = value.as_array().into_iter().flatten().enumerate();
                    items.map(|(n, item)| self.fits(item, schema, &format!("{at}/{n}"))).collect::<Result<Vec<_>, _>>()?;
                }
                ("required", Value::Array(all)) => {
                    if let Some(missing) = all.iter().find(|name| value.get(name.as_str().expect("a name")).is_none()) {
                        return wrong(format!("{missing} is missing"));
                    }
                }
                ("properties", Value::Object(known)) => {
                    for (name, value) in value.as_object().into_iter().flatten() {
                        let Some(schema) = known.get(name) else { return wrong(format!("nothing says what {name} is")) };
                        self.fits(value, schema, &format!("{at}/{name}"))?;
                    }
                }
                // As is checked above.
                ("additionalProperties", Value::Bool(false)) => {}
                (word, _) => panic!("{word} is not known here"),
            }
        }
        Ok(())
    }
}

/// Every kind of verdict, coverage and ending is among them.
#[test]
fn what_is_printed_is_what_the_schema_says() {
    let schema = Schema::read();
    let mut all = String::new();
    for (kind, args) in [
        ("verdicts", "check =S3.1 =S3.3 =S3.4 =S3.8 --engine dpor --format json"),
        ("verdicts", "check =S3.7 --protocol 3.7 --engine dpor --executions 1 --format json"),
        ("verdicts", "check =S3.1 --protocol 2.6.36+vma_adjust_lock=nothing --engine dpor --format json"),
        ("verdicts", "check =S3.7 --engine random --iterations 20 --format json"),
        ("verdicts", "check =S0.3 --protocol 2.6.29 --engine loom --format json"),
        ("verdicts", "check =S0.2 --protocol 2.6.11 --engine loom --format json"),
        ("drawing", "explain =S3.1 --format json"),
        ("drawing", "explain =S3.3 --format json"),
        ("drawing", "explain =S3.4 --format json"),
        ("drawing", "explain =S3.1 --protocol 2.6.36 --format json"),
        (
            "drawing",
            "replay S3.4 --protocol 2.6.34+vma_adjust_lock=vma+rmap_walk_lock=trylock-restart --schedule 1*103.2*109.1*6.2*16.1*14 --format json",
        ),
        ("matrix", "matrix =S0.9 --rule vma_adjust_lock --executions 60 --format json"),
        ("matrix", "matrix =S0.3 --eras --executions 60 --format json"),
    ] {
        let printed = lockwalk(args).output().expect("it starts").stdout;
        let printed = String::from_utf8(printed).expect("UTF-8");
        let value: Value = serde_json::from_str(&printed).unwrap_or_else(|error| panic!("lockwalk {args}: {error}\n{printed}"));
        schema.check(kind, &value).unwrap_or_else(|error| panic!("lockwalk {args}: {error}"));
        assert_eq!(value["lockwalk"], env!("CARGO_PKG_VERSION"));
        for other in ["verdicts", "drawing", "matrix", "listing", "benchmark"] {
            assert!(other == kind || schema.check(other, &value).is_err(), "lockwalk {args} prints a {other}, too");
        }
        all += &printed;
    }
    for word in ["exhaustive", "bounded", "sampled", "settled", "unfinished", "violates", "holds", "unstated"] {
        assert!(all.contains(&format!("\": \"{word}\"")), "no output is an example of {word}");
    }
    for word in ["violated", "never", "never-within", "not-seen", "undecided", "as-documented", "differs", "deadlock", "livelock"] {
        assert!(all.contains(&format!("\": \"{word}\"")), "no output is an example of {word}");
    }
}

/// A cell that was given up says so, whatever was found in it.
#[test]
fn a_matrix_says_the_same_in_every_format() {
    let matrix = "matrix =S0.9 --rule vma_adjust_lock --base 2.6.34 --executions 60";
    let table = super::good(matrix);
    assert!(
        table.contains("S0.9  PIN-1 …  PIN-1 …  PIN-1 …\n")
            && table.ends_with("\n…: not all of it was explored, so that more may be violated.\n"),
        "{table}"
    );
    let markdown = super::good(&format!("{matrix} --format markdown"));
    assert!(markdown.contains("| S0.9 | PIN-1 … | PIN-1 … | PIN-1 … |") && markdown.contains("\n…: not all of it"), "{markdown}");
    let json: Value = serde_json::from_str(&super::good(&format!("{matrix} --format json"))).expect("JSON");
    assert_eq!(
        (&json["rule"], &json["base"], &json["columns"][0]["protocol"]),
        (&"vma_adjust_lock".into(), &"2.6.34".into(), &"2.6.34".into())
    );
    let cell = &json["rows"][0]["cells"][0];
    assert_eq!(
        (&cell["verdict"], &cell["violates"], &cell["coverage"]["kind"]),
        (&"violated".into(), &"PIN-1".into(), &"unfinished".into())
    );
}
