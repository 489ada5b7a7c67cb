//! Pages, and what is escaped in them.

use super::STYLE;

/// A page of the site; `script` is the file that moves it.
pub(super) fn page(title: &str, body: &str, script: &str) -> String {
    let title = escape(title);
    let script = if script.is_empty() {
        String::new()
    } else {
        format!("<script src=\"{script}\"></script>\n")
    };
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta \
         name=\"viewport\" content=\"width=device-width, \
         initial-scale=1\">\n<title>{title}</title>\n<link rel=\"stylesheet\" \
         href=\"{STYLE}\">\n</head>\n<body>\n{body}</main>\n{script}</body>\n</html>\n"
    )
}

/// The text as text, in an element or in an attribute.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ if c.is_control() && c != '\n' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
    out
}

/// JSON that is nothing but data, whatever is in it: no `<` can end the element.
pub(super) fn data(id: &str, value: &serde_json::Value) -> String {
    let json = value
        .to_string()
        .replace('<', "\\u003c")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029");
    format!("<script type=\"application/json\" id=\"{id}\">{json}</script>\n")
}
