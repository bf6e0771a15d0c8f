// Drives the page at / in headless Chromium:
//   node page.mjs http://127.0.0.1:8080 SCREENSHOT_DIRECTORY
// The server has the models minilm, small (at most 96 tokens), list (listwise), embeds
// (cannot rank) and broken (cannot be loaded), as started by run.sh. WINNOW_KEYED is another
// server, with the API key "sesame"; CHROMIUM is the browser (default: /usr/bin/chromium).
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";

const base = process.argv[2] ?? "http://127.0.0.1:8080";
const shots = process.argv[3] ?? "screenshots";
const keyed = process.env.WINNOW_KEYED;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
mkdirSync(shots, { recursive: true });

let failed = false;
let view = "";
function check(name, ok, seen) {
  console.log(`${ok ? "ok  " : "FAIL"} ${view}: ${name}${ok ? "" : ": " + JSON.stringify(seen)}`);
  if (!ok) failed = true;
}
const same = (name, seen, want) => check(name, JSON.stringify(seen) === JSON.stringify(want), { seen, want });

const sum = (list) => list.reduce((a, b) => a + b, 0);
const words = "neural network learning deep apple tree river engine protein star market ocean".split(" ");
// n documents of 5 to 60 words, the same on every run.
const made = (n) => Array.from({ length: n }, (_, i) => Array.from({ length: 5 + ((i * 37) % 56) }, (_, k) => words[(i * i + k * 7 + i * k) % 12]).join(" "));

// Operations on the page.
class Visit {
  constructor(page) {
    this.page = page;
    this.requests = []; // to /v1/rerank, decoded
    this.complaints = [];
    page.on("console", (m) => m.type() !== "info" && m.type() !== "log" && this.complaints.push(m.text()));
    page.on("pageerror", (e) => this.complaints.push(String(e)));
    page.on("request", (r) => {
      if (!r.url().startsWith(new URL(page.url()).origin) && !r.url().startsWith("blob:") && page.url() !== "about:blank") this.complaints.push("outside: " + r.url());
      if (r.url().endsWith("/v1/rerank")) this.requests.push(r.postDataJSON());
    });
  }
  async go(url = base + "/") {
    if (url === "about:blank") return this.page.goto(url);
    await this.page.addInitScript(() => {
      window.shifts = [];
      new PerformanceObserver((list) => {
        for (const e of list.getEntries()) window.shifts.push([e.value, e.sources.map((s) => s.node?.id || s.node?.className || s.node?.nodeName), e.hadRecentInput]);
      }).observe({ type: "layout-shift", buffered: true });
    });
    await this.page.goto(url);
    await this.page.waitForFunction(() => document.querySelector("#model").options.length > 0 || document.querySelector("#status.error"));
  }
  status = () => this.page.textContent("#status");
  said = (text) => this.page.waitForFunction((t) => document.querySelector("#status").textContent.includes(t), text);
  async rank(expected = "Done.") {
    await this.page.evaluate(() => (document.querySelector("#status").textContent = ""));
    await this.page.click("#rank");
    await this.said(expected);
  }
  async open(name, text) {
    writeFileSync(join(shots, name), text);
    await this.page.locator("#open").scrollIntoViewIfNeeded(); // as a user does
    await this.page.setInputFiles("#file", join(shots, name));
    await this.said(name);
  }
  // The cards of a column with their contents.
  cards = (column = 1) => this.page.$$eval(`.column:nth-child(${column}) li`, (list) => list.map((li) => ({
    index: Number(li.dataset.index), text: li.querySelector(".text").textContent, score: li.querySelector(".number").textContent,
    move: li.querySelector(".move")?.firstChild.textContent, facts: li.querySelector(".facts span").textContent,
    bar: Number(li.querySelector("rect").getAttribute("width")), below: li.classList.contains("below"), more: !li.querySelector(".more").hidden,
  })));
  async clean(state) {
    await this.page.evaluate(axe);
    const { violations, passes } = await this.page.evaluate(() => window.axe.run());
    check(`axe-core looks, ${state}`, passes.some((p) => p.id === "color-contrast") && passes.length > 20, passes.length);
    same(`axe-core, ${state}`, violations.map((v) => [v.id, v.nodes.map((n) => n.target.join(" ") + ": " + n.any.map((a) => a.message).join(" "))]), []);
  }
  // Shifts right after an input count too, unless moved is set: "more" makes room.
  async still(state, moved = false) {
    same(`nothing shifts, ${state}`, await this.page.evaluate((moved) => window.shifts.filter((s) => !moved || !s[2]), moved), []);
  }
  async fits(state) {
    const wide = await this.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    check(`nothing is wider than the screen, ${state}`, wide <= 0, wide);
  }
  // A full-page screenshot enlarges the browser's window, which shifts its contents.
  async picture(name) {
    const before = await this.page.evaluate(() => window.shifts.length);
    await this.page.screenshot({ path: join(shots, `${view}-${name}.png`), fullPage: true });
    await this.page.evaluate(async (before) => {
      await new Promise((done) => setTimeout(done, 100));
      window.shifts.length = before;
    }, before);
  }
}

// The server's own reply, to compare with.
async function ask(request) {
  const response = await fetch(base + "/v1/rerank", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(request) });
  return response.json();
}

const tests = {
  // Ranking by pressing Enter in the question.
  async ranking(v) {
    const paint = await v.page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
    console.log(`     ${view}: first contentful paint after ${paint?.toFixed(0)} ms`);
    await v.clean("at first");
    await v.page.focus("#query");
    await v.page.keyboard.press("Enter");
    await v.said("Done.");
    const cards = await v.cards();
    const documents = (await v.page.inputValue("#documents")).split("\n");
    const reply = await ask({ model: "minilm", query: "What is deep learning?", documents, details: true });
    same("the server's ranking", cards.map((c) => [c.index, c.text]), reply.results.map((r) => [r.index, documents[r.index]]));
    same("position and logit on each card", cards.map((c) => c.facts), reply.results.map((r) => `line ${r.index + 1} · logit ${r.logit.toFixed(2)}`));
    const note = await v.page.textContent("#results .note");
    check("tokens and time", /^4 documents, 78 tokens, [\d.]+ ms, [\d,]+ documents\/s$/.test(note), note);
    same("no cache answers", v.requests.map((r) => [r.model, r.use_cache]), [["minilm", false]]);

    const last = cards.slice(-2);
    check("small scores differ as numbers", last.every((c) => /^\d\.\d\de-5$/.test(c.score)) && last[0].score !== last[1].score, last);
    const { results } = reply, low = results.at(-1).logit, span = results[0].logit - low;
    same("bars by logit", cards.map((c) => c.bar.toFixed(2)), results.map((r) => (100 * (0.03 + (0.97 * (r.logit - low)) / span)).toFixed(2)));
    await v.page.selectOption("#bars", "probability");
    same("bars by probability", (await v.cards()).map((c) => c.bar.toFixed(2)), results.map((r) => (100 * r.relevance_score).toFixed(2)));
    await v.page.selectOption("#bars", "logit");
    await v.fits("ranked");
    await v.still("ranked");
    await v.picture("ranked");
  },

  // Three lines and "more", truncation marks, best sentences.
  async cards(v) {
    const long = "Bread is baked in ovens 🍞 and has been for ages. ".repeat(6) + "Deep learning is a branch of machine learning. " + "The sun is bright. ".repeat(60).trim();
    await v.page.fill("#documents", long + "\n\nShort.");
    await v.page.selectOption("#model", "small");
    await v.rank();
    const place = (await v.cards()).findIndex((c) => c.index === 0);
    const { results } = await ask({ model: "small", query: "What is deep learning?", documents: [long], details: true });
    const { end } = results[0].read;
    const card = `li[data-index="0"]`;
    const lines = () => v.page.$eval(card + " .text", (p) => Math.round(p.clientHeight / parseFloat(getComputedStyle(p).lineHeight)));
    same("three lines", await lines(), 3);
    same("more, where there is more", (await v.cards()).map((c) => [c.index, c.more]).sort(), [[0, true], [1, false]]);
    same("the line of the file, not of the list", (await v.cards()).find((c) => c.index === 1).facts.split(" · ")[0], "line 3");
    check("how much was read", (await v.cards())[place].facts.endsWith(`${Math.round((100 * end) / [...long].length)} % read`), (await v.cards())[place].facts);
    await v.page.focus(card + " .more");
    await v.page.keyboard.press("Enter");
    check("more shows the rest", (await lines()) > 10, await lines());
    const parts = await v.page.$eval(card + " .text", (p) => [...p.childNodes].map((n) => n.textContent));
    const text = [...long];
    same("where the model stopped reading", parts, [text.slice(0, end).join(""), " ", "✂ truncated here", " ", text.slice(end).join("")]);
    await v.picture("cut");
    await v.page.keyboard.press("Enter");
    same("less", [await lines(), await v.page.evaluate(() => document.activeElement.textContent)], [3, "more of line 1"]);

    await v.page.selectOption("#model", "minilm");
    await v.page.check("#why");
    await v.rank();
    const marks = await v.page.$$eval("#results li", (l) => l.map((li) => [li.querySelector(".text").textContent.slice(0, 30), li.querySelector("mark").textContent]));
    same("the best sentences, in sight", marks, [["… Deep learning is a branch of", "Deep learning is a branch of machine learning."], ["Short.", "Short."]]);
    await v.picture("why");
    await v.page.focus(".threshold input");
    await v.page.keyboard.press("End");
    await v.clean("with marks below a threshold");
    await v.page.uncheck("#why");
  },

  async comparing(v) {
    await v.page.fill("#documents", made(70).join("\n"));
    await v.page.selectOption("#other", "small");
    v.requests.length = 0;
    await v.rank();
    const [a, b] = [await v.cards(1), await v.cards(2)];
    same("both in parts, one after the other, without the cache", v.requests.map((r) => [r.model, r.documents.length, r.use_cache]),
      [["minilm", 64, false], ["minilm", 6, false], ["small", 64, false], ["small", 6, false]]);
    same("the best 50 of each", [a.length, b.length], [50, 50]);
    for (const i of [1, 2]) await v.page.click(`.column:nth-child(${i}) .next`);
    const [first, second] = [await v.cards(1), await v.cards(2)];
    same("then all", [first.length, second.length, await v.page.$$eval(".next", (l) => l.length)], [70, 70, 0]);
    same("moves", second.map((c) => c.move), second.map((c, i) => {
      const up = first.findIndex((x) => x.index === c.index) - i;
      return up > 0 ? `▲${up}` : up < 0 ? `▼${-up}` : "=";
    }));
    const at = new Map(second.map((c, i) => [c.index, i]));
    let pairs = 0;
    first.forEach((x, i) => first.slice(i + 1).forEach((y) => (pairs += Math.sign(at.get(y.index) - at.get(x.index)))));
    const asked = await v.page.textContent(".asked");
    check("Kendall's tau and the times", asked.includes(`Kendall’s τ: ${(pairs / ((70 * 69) / 2)).toFixed(3)}. `) && /\. (small took [\d.]+ ms, minilm|minilm took [\d.]+ ms, small) [\d.]+ times as long\.$/.test(asked), asked);
    await v.still("compared", true);
    await v.fits("compared");

    // The slider, operated by keyboard.
    const slider = ".column:nth-child(1) .threshold input";
    await v.page.focus(slider);
    for (let i = 0; i < 3; i++) await v.page.keyboard.press("PageUp");
    const cards = await v.cards(1);
    const kept = cards.filter((c) => !c.below).length;
    const said = await v.page.textContent(".column:nth-child(1) .threshold output");
    check("what a threshold keeps", kept > 0 && kept < 70 && cards.slice(0, kept).every((c) => !c.below) && said === `${kept} of 70, score ≥ ${cards[kept - 1].score}`, { kept, said });
    await v.picture("compared");
    await v.clean("compared");
    await v.page.keyboard.press("End");
    same("nothing", await v.page.textContent(".column:nth-child(1) .threshold output"), "0 of 70");
    await v.page.keyboard.press("Home");
    same("all", await v.page.textContent(".column:nth-child(1) .threshold output"), "70 of 70");

    const tau = await v.page.evaluate(async () => {
      const { kendall } = await import("./compare.js");
      return [kendall([1, 2, 3, 4], [1, 2, 3, 4]), kendall([1, 2, 3, 4], [4, 3, 2, 1]), kendall([1, 2, 3, 4], [1, 3, 2, 4]), kendall([7], [7])];
    });
    same("tau of known orders", tau, [1, -1, 1 - 2 / 6, 1]);

    // One model's error does not discard the other's results.
    await v.page.route("**/v1/rerank", (route) => (route.request().postDataJSON().model === "small" ?
      route.fulfill({ status: 503, json: { error: { code: 503, message: "the model is gone", type: "unavailable_error" } } }) : route.continue()));
    await v.page.fill("#documents", "One.\nTwo.");
    await v.rank("small: the model is gone");
    same("the other model's answer", [(await v.cards(1)).length, await v.page.textContent(".column:nth-child(2) .error")], [2, "the model is gone"]);
    await v.clean("with an error");
    await v.page.unroute("**/v1/rerank");
    same("the browser's word on it", v.complaints.splice(0).map((c) => c.includes("503")), [true]);

    await v.page.selectOption("#other", "list");
    await v.page.fill("#documents", made(70).join("\n"));
    v.requests.length = 0;
    await v.rank();
    same("a listwise model gets the whole list", v.requests.filter((r) => r.model === "list").map((r) => r.documents.length), [64, 70]);
    same("a listwise model's ranking", (await v.cards(2)).map((c) => c.index),
      (await ask({ model: "list", query: "What is deep learning?", documents: made(70), top_n: 50 })).results.map((r) => r.index));
    await v.page.selectOption("#other", "");
  },

  async models(v) {
    const options = await v.page.$$eval("#model option", (l) => l.map((o) => [o.value, o.disabled, o.textContent]));
    same("which models can be chosen", options.map(([id, off]) => [id, off]), [["minilm", false], ["small", false], ["list", false], ["embeds", true], ["broken", true]]);
    same("why one does not rank", options[3][2], "embeds: cannot rank, only embed");
    check("why one cannot be loaded", /^broken: winnow: .*expected them inside the \d+ bytes of data$/.test(options[4][2]), options[4][2]);
    // A model is loaded by a request that does not count towards its time.
    await v.page.route("**/v1/models", async (route) => {
      const json = await (await route.fetch()).json();
      json.data[1].status.value = "unloaded";
      await route.fulfill({ json });
    });
    await v.page.reload();
    await v.page.waitForFunction(() => document.querySelector("#model").options.length === 5);
    await v.page.selectOption("#model", "small");
    v.requests.length = 0;
    await v.rank();
    same("a model is loaded before its time is taken", v.requests.map((r) => r.documents.length), [1, 4]);
    await v.page.unrouteAll({ behavior: "wait" });

    const tall = await v.page.evaluate(() => ["model", "other", "key"].map((id) => {
      const label = document.querySelector(`label[for=${id}]`).getBoundingClientRect(), box = document.getElementById(id).getBoundingClientRect();
      return [Math.round(label.height), Math.round(box.top - label.bottom), Math.round(box.height)];
    }));
    check("the key's label and box are as the others", tall[0][0] > 15 && tall.every((x) => String(x) === String(tall[0])), tall);
  },

  async files(v) {
    const box = () => v.page.inputValue("#documents");
    const facts = async () => (await v.cards()).sort((a, b) => a.index - b.index).map((c) => c.facts.split(" · logit")[0]);
    const file = async (name, text, column, want = "one\ntwo") => {
      await v.open(name, text);
      same(`${name} ${JSON.stringify(String(text).slice(0, 24))}`, [await box(), await v.page.isVisible("#columns") && (await v.page.$eval("#column", (s) => s.selectedOptions[0].text))], [want, column]);
    };
    await v.page.selectOption("#model", "small");
    await v.rank();
    await file("a.txt", "one\n\ntwo\n", false);
    same("results of other documents are gone", [(await v.cards()).length, await v.page.isDisabled("#csv")], [0, true]);
    await v.rank();
    same("lines", await facts(), ["line 1", "line 3"]);
    await file("a.jsonl", '{"text":"one","_id":7}\n"two"\n', "text");
    await v.rank();
    same("ids of JSON", await facts(), ["line 1 · id 7", "line 2"]);
    await file("a.json", '[{"title":"t","content":"one"}, {"content":"two"}]', "content");
    await file("b.json", '{"documents":["one","two"]}', "text");
    await file("a.csv", 'id,text\n1,one\n2,"two"\n', "text");
    await v.rank();
    same("ids of CSV", await facts(), ["row 1 · id 1", "row 2 · id 2"]);
    await file("semicolons.csv", '\ufeffid;body\n1;one\n2;"two"\n', "body");
    await file("commas in them.csv", "1;one, and\n2;two, and, so on\n", "column 2", "one, and\ntwo, and, so on");
    await file("one column.csv", "body\none\ntwo\n", "body");
    await file("no header.csv", "one\ntwo\n", "column 1");
    await file("no text.csv", "nr,summary\n1,one\n2,two\n", "summary");
    await file("quotes.csv", 'text,n\n"one ""1"",\nmore",1\n5" two,2\n', "text", 'one "1", more\n5" two');
    await file("a.tsv", "id\tcontent\n1\tone\n2\ttwo\n", "content");
    await file("unicode.tsv", Buffer.from("\ufeffid\tcontent\n1\tone\n2\ttwo\n", "utf16le"), "content");

    // Choosing other columns.
    await v.open("c.csv", "key,a,b\nk1,one,eins\nk2,two,zwei\n");
    await v.page.selectOption("#column", { label: "b" });
    await v.page.selectOption("#id-column", { label: "key" });
    await v.rank();
    same("columns that are chosen", [await box(), await facts()], ["eins\nzwei", ["row 1 · id k1", "row 2 · id k2"]]);
    await v.page.uncheck("#header");
    await v.page.selectOption("#column", { label: "column 2" });
    same("a first line that is no header", await box(), "a\none\ntwo");
    await v.page.check("#header");
    await v.picture("columns");
    await v.page.fill("#documents", "three");
    await v.rank();
    same("what is edited has no ids", await facts(), ["line 1"]);
    same("and no columns", await v.page.isVisible("#columns"), false);

    for (const [name, content, why] of [
      ["a.pdf", "%PDF-1.7\n", "PDF files are not supported: save the text as .txt"],
      ["a.xlsx", "PK\x03\x04", "workbooks and archives are not supported: save as CSV"],
      ["latin.csv", Buffer.from("text\n\xe4\n", "latin1"), "not UTF-8 text: save as .txt, .jsonl or “CSV UTF-8”"],
      ["zeros.txt", "a\0b", "not a text file"],
      ["broken.jsonl", '"a"\n{\n', "line 2 is not JSON"],
      ["numbers.json", "[1]", "item 1 is 1: expected a string or an object"],
      ["object.json", "{}", "expected a list of strings or of objects"],
      ["empty.csv", "\n", "the file is empty"],
    ]) {
      await v.open(name, content);
      const status = await v.status();
      check(`${name} is refused`, status.startsWith(`${name}: ${why}`) && (await box()) === "three", status);
    }
    await v.still("with files");

    // Dropping a file.
    const drop = await v.page.evaluateHandle(() => {
      const data = new DataTransfer();
      data.items.add(new File(["dropped\n"], "d.txt"));
      return data;
    });
    await v.page.dispatchEvent("#documents", "drop", { dataTransfer: drop });
    await v.said("d.txt");
    same("a file that is dropped", await box(), "dropped");
  },

  // Long lists are sent in parts and can be cancelled.
  async long(v) {
    const documents = made(600);
    await v.open("long.jsonl", documents.map((text, i) => JSON.stringify({ id: `d${i}`, text })).join("\n"));
    await v.page.selectOption("#model", "small");
    let asked = 0, release;
    const hold = async () => {
      asked = 0;
      await v.page.unroute("**/v1/rerank");
      const held = new Promise((done) => (release = done));
      await v.page.route("**/v1/rerank", async (route) => {
        if (++asked > 2) await held;
        await route.continue().catch(() => {}); // cancelled
      });
    };
    await hold();
    await v.page.click("#rank");
    await v.said("Ranking with small: 128 of 600 documents");
    same("progress", [await v.page.$eval("#progress", (p) => p.value.toFixed(4)), (await v.cards()).length], [(128 / 600).toFixed(4), 50]);
    await v.picture("progress");
    await v.page.click("#cancel");
    same("cancelled", await v.status(), "Cancelled: small ranked 128 of 600 documents.");
    release();
    await v.page.waitForFunction(() => document.querySelector("#cancel").disabled);
    check("what was ranked stays", (await v.page.textContent("#results .note")).startsWith("128 of 600 documents, ") && (await v.cards()).length === 50, "");
    same("nothing more is asked", asked, 3);

    await hold();
    await v.page.click("#rank");
    await v.said("Ranking with small: 128 of 600 documents");
    await v.open("other.txt", "another\n");
    release();
    await v.page.waitForFunction(() => document.querySelector("#cancel").disabled);
    same("a file ends the run, and its results are gone", [(await v.cards()).length, await v.page.inputValue("#documents"), asked], [0, "another", 3]);
    await v.page.unroute("**/v1/rerank");

    await v.page.setInputFiles("#file", join(shots, "long.jsonl"));
    await v.said("600 documents");
    await v.rank();
    const { results } = await ask({ model: "small", query: "What is deep learning?", documents, details: true });
    same("the ranking of the whole", (await v.cards()).map((c) => c.index), results.slice(0, 50).map((r) => r.index));
    same("the button", await v.page.textContent(".next"), "Show 50 more (550 left)");
    await v.page.click(".next");
    same("50 more", (await v.cards()).map((c) => c.index), results.slice(0, 100).map((r) => r.index));
    await v.still("long", true);

    const saved = async (button) => {
      const [download] = await Promise.all([v.page.waitForEvent("download"), v.page.click(button)]);
      return [download.suggestedFilename(), readFileSync(await download.path(), "utf8")];
    };
    const [csvName, csv] = await saved("#csv");
    const rows = csv.trimEnd().split("\r\n");
    same("CSV", [csvName, rows.length, rows[0]], ["winnow.csv", 601, "model,rank,position,id,score,logit,kept,read_start,read_end,text"]);
    same("rows of CSV", rows.slice(1), results.map((r, i) => ["small", i + 1, r.index + 1, `d${r.index}`, r.relevance_score, r.logit, true, r.read?.start ?? "", r.read?.end ?? "", documents[r.index]].join(",")));
    const [jsonName, json] = await saved("#json");
    const object = JSON.parse(json);
    same("JSON", [jsonName, object.query, object.results.map((r) => [r.rank, r.id, r.logit])],
      ["winnow.json", "What is deep learning?", results.map((r, i) => [i + 1, `d${r.index}`, r.logit])]);
    const quoted = await v.page.evaluate(async () => (await import("./cards.js")).toCSV([{ a: 'x "y"', b: "p,q" }, { a: "r\ns", b: 1 }]));
    same("cells that need quotes", quoted, 'a,b\r\n"x ""y""","p,q"\r\n"r\ns",1\r\n');
  },

  // History and links.
  async memory(v) {
    await v.page.fill("#query", "Was ist „KI“ & co?");
    await v.page.fill("#documents", "eins #1\nzwei");
    await v.page.selectOption("#model", "small");
    await v.page.selectOption("#other", "minilm");
    await v.page.fill("#key", "not to be kept");
    await v.rank();
    const address = v.page.url();
    await v.page.click("#link");
    await v.said("Copied.");
    same("the link is the address", await v.page.evaluate(() => navigator.clipboard.readText()), address);
    same("the key is kept nowhere", [address.includes("not"), await v.page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]).includes("not to be kept"))], [false, false]);
    const filled = () => v.page.evaluate(() => ["query", "documents", "model", "other"].map((id) => document.getElementById(id).value));
    const want = ["Was ist „KI“ & co?", "eins #1\nzwei", "small", "minilm"];
    v.requests.length = 0;
    await v.go("about:blank");
    await v.go(address);
    await v.page.waitForFunction(() => document.querySelector("#query").value.startsWith("Was"));
    same("a link holds all, and does nothing by itself", [await filled(), v.requests.length], [want, 0]);
    await v.go("about:blank");
    await v.go();
    await v.page.click("#recent summary");
    const runs = await v.page.$$eval("#runs li", (l) => l.map((li) => li.textContent));
    check("recent runs, the latest first", runs.length > 5 && runs[0].startsWith("Was ist „KI“ & co?2 documents, small and minilm, ") && runs[1].includes("600 documents from long.jsonl"), runs);
    await v.clean("with recent runs");
    await v.picture("recent");
    await v.page.click("#runs li:nth-child(1) button");
    same("a run again", await filled(), want);
    await v.page.click("#runs li:nth-child(2) button");
    await v.rank();
    check("with ids", / · id d\d+ · /.test((await v.cards())[0].facts), (await v.cards())[0]);
    await v.open("many.txt", made(9000).join("\n"));
    await v.page.evaluate(async () => {
      const { keep } = await import("./memory.js");
      keep({ when: 1, query: "many", model: "small", other: "", count: 9000, file: "many.txt", documents: Array.from({ length: 9000 }, (_, i) => ({ text: "word ".repeat(9), position: i })) });
    });
    same("documents that are too many are not kept", await v.page.evaluate(() => JSON.parse(localStorage.getItem("winnow.runs"))[0].documents), null);
    await v.page.click("#link");
    await v.said("Copied without the documents, which are too long for a link.");
    await v.page.click("#forget");
    same("forgotten", [await v.page.$$eval("#runs li", (l) => l.length), await v.page.evaluate(() => localStorage.length)], [0, 0]);
  },

  // Code samples.
  async calls(v) {
    await v.page.click("#program summary");
    await v.page.waitForFunction(() => document.querySelector("#code").textContent !== ""); // the toggle event is asynchronous
    await v.page.fill("#key", "");
    await v.page.focus("#tab-curl");
    const words = { curl: "curl -s ", go: "m.Rerank(", fourd: "cs.AIKit.Reranker", python: "urllib.request" };
    for (const [language, word] of Object.entries(words)) {
      const code = await v.page.textContent("#code");
      check(language, code.includes(word) && code.includes("What is deep learning?") && !code.includes("Bearer"), code);
      await v.page.keyboard.press("ArrowRight");
    }
    await v.page.fill("#key", "it's");
    for (const [language, word] of Object.entries({ curl: "-H 'Authorization: Bearer it'\\''s'", fourd: `apiKey: "it's"`, python: `"Authorization": "Bearer it's"` })) {
      await v.page.click(`#tab-${language}`);
      const code = await v.page.textContent("#code");
      check(`the key in ${language}`, code.includes(word), code);
    }
    await v.page.fill("#key", "");
    await v.page.click("#copy");
    await v.said("Copied.");
    same("copied", await v.page.evaluate(() => navigator.clipboard.readText()), await v.page.textContent("#code"));
    const [button, code] = await v.page.evaluate(() => ["#copy", "pre"].map((s) => document.querySelector(s).getBoundingClientRect().toJSON()));
    check("Copy stands above the code", button.bottom <= code.top, { button, code });
    await v.page.fill("#documents", made(30).join("\n"));
    same("of many documents some", await v.page.textContent("#code-note"), "Shows the first 20 of 30 documents.");
    await v.clean("with code");
    await v.fits("with code");
    await v.picture("calls");
  },

  async nothing(v) {
    await v.page.fill("#documents", " ");
    await v.page.click("#rank");
    same("no documents", await v.status(), "No documents to rank.");
  },

  // Last: a server that requires a key.
  async key(v) {
    if (!keyed) return;
    await v.go(keyed + "/");
    same("a key is wanted", await v.status(), "Invalid API Key");
    v.complaints.length = 0;
    await v.page.fill("#key", "sesame");
    await v.page.keyboard.press("Tab");
    await v.page.waitForFunction(() => document.querySelector("#model").options.length === 1);
    await v.rank();
    same("ranked with the key", (await v.cards()).length, 4);
    await v.page.selectOption("#other", "small");
    await v.rank();
    const address = v.page.url();
    await v.go("about:blank");
    await v.go(address);
    v.complaints.length = 0; // about the missing key
    await v.page.fill("#key", "sesame");
    await v.page.keyboard.press("Tab");
    await v.page.waitForFunction(() => document.querySelector("#model").options.length === 1);
    same("a link's models are chosen once the key is there", await v.page.evaluate(() => [document.querySelector("#model").value, document.querySelector("#other").value]), ["small", "small"]);
  },
};

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const views = [
  { name: "wide-light", viewport: { width: 1280, height: 900 }, colorScheme: "light" },
  { name: "wide-dark", viewport: { width: 1280, height: 900 }, colorScheme: "dark" },
  { name: "phone", viewport: { width: 360, height: 740 }, colorScheme: "light", isMobile: true, hasTouch: true },
];
const only = process.argv[4]; // the name of one test
for (const { name, ...options } of views) {
  view = name;
  const context = await browser.newContext({ ...options, permissions: ["clipboard-read", "clipboard-write"] });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const visit = new Visit(page);
  for (const [test, run] of Object.entries(tests)) {
    if (only && test !== only) continue;
    try {
      await visit.go("about:blank");
      await visit.go();
      visit.requests.length = 0;
      await run(visit);
    } catch (err) {
      check(`${test} came to its end`, false, String(err));
    }
    same(`the console is free of errors (${test})`, visit.complaints.splice(0), []);
  }
  await context.close();
}
await browser.close();
process.exit(failed ? 1 : 0);
