#!/usr/bin/env python3
"""Writes clients.json: what the encoders that clients use make of texts. Needs node (its punycode is desktop's) and a JDK 17.

session-desktop: punycode's toASCII, onsNameRegex, toLowerCase. session-android: java.net.IDN.toASCII with ALLOW_UNASSIGNED,
else the text as it is; lower case. session.js: isOnsValid. null: refused.
"""
import json, pathlib, subprocess, tempfile

TEXTS = [
    "mag69", "Mag69", " mag69 ", "bob.", "Bob.loki", "a b", "-x", "x-", "_x_", "", "a.b", "a@b", "%41", "xn--nal-hoa",
    "Ünal", "ünal", "ÜNAL", "hello_wörld", "e\u0301", "\u00e9", "faß", "İ", "Σίσ", "b\u043eb", "\uff22\uff2f\uff22", "\u2164",
    "❤\ufe0f", "❤", "\U0001f600", "東京", "bob\u200b", "ü\u3002b", "\u05d0\u05d1a", "ü" * 70,
]
NODE = r"""
const { toASCII } = require('punycode'), pattern = '^\\w([\\w-]*[\\w])?$';
const desktop = s => { const a = toASCII(s.trim()); return new RegExp(pattern, 'g').test(a) ? a.toLowerCase() : null; };
const sessionJS = s => new RegExp(pattern).test(s) ? s : null;
console.log(JSON.stringify(JSON.parse(require('fs').readFileSync(0)).map(s => ({ text: s, desktop: desktop(s), session_js: sessionJS(s) }))));
"""
JAVA = r"""
public class Android { public static void main(String[] a) throws Exception {
  for (String hex : new String(System.in.readAllBytes()).split("\n", -1)) {
    String s = new String(java.util.HexFormat.of().parseHex(hex), "UTF-8").strip();
    if (s.chars().anyMatch(c -> c > 127)) try { s = java.net.IDN.toASCII(s, java.net.IDN.ALLOW_UNASSIGNED); } catch (IllegalArgumentException e) { }
    System.out.println(java.util.HexFormat.of().formatHex(s.toLowerCase(java.util.Locale.ROOT).getBytes("UTF-8")));
  } } }
"""

def run(args, text):
    return subprocess.run(args, input=text, capture_output=True, text=True, check=True).stdout

rows = json.loads(run(["node", "-e", NODE], json.dumps(TEXTS)))
with tempfile.TemporaryDirectory() as d:
    path = pathlib.Path(d, "Android.java")
    path.write_text(JAVA)
    out = run(["java", str(path)], "\n".join(t.encode().hex() for t in TEXTS))
for row, line in zip(rows, out.split("\n")):
    row["android"] = bytes.fromhex(line).decode()
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(rows, indent=1) + "\n")
