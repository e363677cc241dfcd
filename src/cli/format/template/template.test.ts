import { expect, test } from "bun:test";
import { compile, fromJson, TemplateError } from "./template.ts";

const data = fromJson({
  Name: "web",
  Size: 1982361,
  Big: 1795568161047237130n,
  State: { Status: "running", Pid: 5, Health: null },
  NetworkSettings: { Ports: { "80/tcp": [{ HostIp: "0.0.0.0", HostPort: "8080" }], "443/tcp": null } },
  Config: { Labels: { b: "2", a: "1" }, Env: ["A=1", "B=2"], Entrypoint: null, Volumes: null },
  List: [1, 2, 3],
  On: true,
});

const render = (template: string) => compile(template).execute(data, { missing: "error" });

const results: [string, string][] = [
  ["plain }} text", "plain }} text"],
  ["{{.Name}}:{{.State.Status}}", "web:running"],
  ["{{.Size}} {{.On}} {{.Big}}", "1982361 true 1795568161047237130"],
  ["{{.Config.Labels}}", "map[a:1 b:2]"],
  ["{{.Config.Env}} {{.Config.Entrypoint}} {{.Config.Volumes}}", "[A=1 B=2] [] map[]"],
  ["{{.State}}", "{running 5 <nil>}"],
  ["{{range .List}}{{.}},{{end}}", "1,2,3,"],
  ["{{range $i, $e := .List}}{{$i}}={{$e}};{{end}}", "0=1;1=2;2=3;"],
  ["{{range $k, $v := .Config.Labels}}{{$k}}{{$v}}{{end}}", "a1b2"],
  ["{{range .Config.Entrypoint}}x{{else}}none{{end}}", "none"],
  ["{{range .List}}{{if eq . 2}}{{continue}}{{end}}{{.}}{{if eq . 3}}{{break}}{{end}}{{end}}", "13"],
  ["{{if .On}}y{{else}}n{{end}}{{if .State.Health}}h{{end}}", "y"],
  ["{{if false}}a{{else if .On}}b{{else}}c{{end}}", "b"],
  ["{{with .State}}{{.Status}} {{$.Name}}{{end}}", "running web"],
  ["{{with .Config.Entrypoint}}x{{else}}y{{end}}", "y"],
  ["{{$x := 1}}{{range .List}}{{$x = .}}{{end}}{{$x}}", "3"],
  ["a {{- 1 -}} b {{/* note */}}{{- /* two */ -}} c", "a1b c"],
  ['{{index .Config.Labels "a"}}{{index .Config.Labels "zz"}}{{index .List 1}}', "12"],
  ['{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}', "8080"],
  ['{{.Name | upper | printf "%s!"}}', "WEB!"],
  [
    '{{printf "%-5s|%5s|%05d|%q|%v|%t|%x|%.2f|%%" "a" "b" 42 "c" .List true 255 1.5}}',
    'a    |    b|00042|"c"|[1 2 3]|true|ff|1.50|%',
  ],
  ['{{join .Config.Env ","}} {{split "a-b" "-"}} {{title "ab cd"}} {{lower "AB"}}', "A=1,B=2 [a b] Ab Cd ab"],
  ["{{json .Config.Labels}} {{json .Name}} {{json .Config.Entrypoint}}", '{"a":"1","b":"2"} "web" null'],
  ["{{pad .Name 1 2}}|{{truncate .Name 2}}|{{slice .Name 1 2}}|{{len .List}}", " web  |we|e|3"],
  ["{{and 1 0}} {{and 1 2}} {{or 0 3}} {{not 0}}", "0 2 3 true"],
  ["{{or true .Nope}}", "true"],
  [
    '{{eq 1 2 1}} {{ne 1 2}} {{lt 1 2}} {{le 2 2}} {{gt 1 2}} {{ge 2 1}} {{lt "a" "b"}}',
    "true true true true false true true",
  ],
  ['{{println 1 "a"}}{{print 1 2 "a" "b"}}', "1 a\n1 2ab"],
  ['{{"q\\"\\n\\u00e4"}}{{`r\\n`}}{{\'a\'}}', 'q"\nä' + "r\\n97"],
  ["{{0x10}} {{1_000}} {{1.5}} {{-3}} {{1e3}}", "16 1000 1.5 -3 1000"],
  ['{{define "x"}}<{{.}}>{{end}}{{template "x" .Name}}{{block "y" 5}}[{{.}}]{{end}}', "<web>[5]"],
  ['{{html "<a>"}} {{urlquery "a b"}}', "&lt;a&gt; a+b"],
  ["{{.Config.Healthcheck}} {{.Config.StopSignal}}", "<nil> "],
];

test("templates give what Go's give", () => {
  for (const [template, text] of results) expect([template, render(template)]).toEqual([template, text]);
});

const failures: [string, string][] = [
  ["{{", "template: :1: unclosed action"],
  ["{{.Name", "template: :1: unclosed action"],
  ["\n{{}}", "template: :2: missing value for command"],
  ["{{if}}", "template: :1: missing value for if"],
  ["{{if .Name}}", "template: :1: unexpected EOF"],
  ["{{end}}", "template: :1: unexpected {{end}}"],
  ["{{else}}", "template: :1: unexpected {{else}}"],
  ["{{foo}}", 'template: :1: function "foo" not defined'],
  ['{{"abc', "template: :1: unterminated quoted string"],
  ["{{`abc", "template: :1: unterminated raw quoted string"],
  ["{{$x}}", 'template: :1: undefined variable "$x"'],
  ["{{(1}}", "template: :1: unclosed left paren"],
  ["{{1)}}", "template: :1: unexpected right paren"],
  ["{{1 | 2}}", "template: :1: non executable command in pipeline stage 2"],
  ["{{/* x }}", "template: :1: unclosed comment"],
  ["{{#}}", "template: :1: unrecognized character in action: U+0023 '#'"],
  ["{{break}}", "template: :1: {{break}} outside {{range}}"],
  ["{{.Name}} {{.Nope}}", 'template: :1:12: executing "" at <.Nope>: map has no entry for key "Nope"'],
  ["{{.State.Nope}}", 'template: :1:8: executing "" at <.State.Nope>: map has no entry for key "Nope"'],
  ["{{.Name.Foo}}", 'template: :1:7: executing "" at <.Name.Foo>: can\'t evaluate field Foo in type string'],
  ["{{index .List 9}}", 'template: :1:2: executing "" at <index .List 9>: error calling index: index out of range: 9'],
  ["{{len 3}}", 'template: :1:2: executing "" at <len 3>: error calling len: len of type int64'],
  ['{{eq 1 "a"}}', 'template: :1:2: executing "" at <eq 1 "a">: error calling eq: incompatible types for comparison'],
  ["{{range 1.5}}{{end}}", "range can't iterate over 1.5"],
  ["{{1 2}}", "can't give argument to non-function 1"],
  ["{{upper 1}}", "wrong type for value; expected string; got int64"],
];

test("what is wrong is said as Go says it", () => {
  for (const [template, text] of failures) expect(() => render(template)).toThrow(text);
});

test("a key that is missing has no value, unless that is an error", () => {
  expect(compile("{{.Nope}} {{.Nope.X}}").execute(fromJson({}))).toBe("<no value> <no value>");
});

test("a template cannot run away", () => {
  expect(() => render('{{define "x"}}{{template "x"}}{{end}}{{template "x"}}')).toThrow("maximum template depth");
  expect(() => compile(`${"{{if 1}}".repeat(500)}`)).toThrow(TemplateError);
  expect(() => compile(`{{${"(".repeat(500)}`)).toThrow(TemplateError);
});

test("whatever is typed gives a text or a TemplateError", () => {
  const words = [
    "{{",
    "}}",
    "if",
    "range",
    "end",
    "else",
    ".",
    ".A",
    "$",
    "$x",
    ":=",
    "=",
    "|",
    "(",
    ")",
    '"s"',
    "1",
    " ",
    "index",
    "len",
    "-",
    "{{-",
    "-}}",
    "`",
    "'",
    "/*",
    "*/",
    ",",
    "printf",
    "define",
    "template",
    "with",
    "ü",
    "\n",
  ];
  let state = 12345;
  const next = (limit: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % limit;
  };
  for (let round = 0; round < 5000; round++) {
    const template = Array.from({ length: 1 + next(12) }, () => words[next(words.length)]).join(next(2) ? " " : "");
    try {
      compile(template).execute(data);
    } catch (error) {
      if (!(error instanceof TemplateError)) throw new Error(`${JSON.stringify(template)}: ${error}`);
    }
  }
});
