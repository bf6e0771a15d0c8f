// A person's way through the page at /, in headless Chromium:
//   node page.mjs http://127.0.0.1:8080 SCREENSHOT_DIRECTORY
// CHROMIUM names the browser (/usr/bin/chromium).
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const base = process.argv[2] ?? "http://127.0.0.1:8080";
const shots = process.argv[3] ?? "screenshots";
mkdirSync(shots, { recursive: true });

let failed = false;
function check(name, ok, seen) {
  console.log(`${ok ? "ok  " : "FAIL"} ${name}${ok ? "" : ": " + JSON.stringify(seen)}`);
  if (!ok) failed = true;
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const views = [
  { name: "wide-light", viewport: { width: 1280, height: 900 }, colorScheme: "light" },
  { name: "wide-dark", viewport: { width: 1280, height: 900 }, colorScheme: "dark" },
  { name: "phone", viewport: { width: 360, height: 740 }, colorScheme: "light", isMobile: true, hasTouch: true },
];
for (const { name, ...options } of views) {
  const context = await browser.newContext({ ...options, permissions: ["clipboard-read", "clipboard-write"] });
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (m) => m.type() !== "info" && m.type() !== "log" && complaints.push(m.text()));
  page.on("pageerror", (e) => complaints.push(String(e)));
  page.on("request", (r) => r.url().startsWith(base) || complaints.push("outside: " + r.url()));
  await page.goto(base + "/");
  await page.waitForFunction(() => document.querySelector("#model").options.length > 0);

  // With the keyboard alone: the question, then Enter.
  await page.focus("#query");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#results li");
  const rows = await page.$$eval("#results li", (list) => list.map((li) => [li.querySelector(".text").textContent, Number(li.querySelector(".number").textContent)]));
  check(`${name}: four documents, best first`, rows.length === 4 && rows[0][0].startsWith("Deep learning") && rows.every(([, s], i) => i === 0 || s <= rows[i - 1][1]), rows);
  const note = await page.textContent("#results .note");
  check(`${name}: tokens and time`, /4 documents, \d+ tokens, [\d.]+ ms/.test(note), note);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  check(`${name}: nothing is wider than the screen`, wide <= 0, wide);
  await page.screenshot({ path: join(shots, name + ".png"), fullPage: true });

  // Two models side by side.
  await page.selectOption("#other", { index: 1 });
  await page.click("#rank");
  await page.waitForFunction(() => document.querySelectorAll("#results .column").length === 2);
  await page.screenshot({ path: join(shots, name + "-two.png"), fullPage: true });

  // Files.
  check(`${name}: two models, two rankings`, (await page.$$eval("#results .column", (l) => l.length)) === 2, "");
  for (const [file, text] of [["a.txt", "one\n\ntwo\n"], ["a.jsonl", '{"text":"one"}\n"two"\n'], ["a.json", '[{"content":"one"}, "two"]'], ["a.csv", 'id,text\n1,one\n2,"two"\n'], ["b.csv", 'id;body\n1;one\n2;"two"\n'], ["c.csv", "body\none\ntwo\n"]]) {
    writeFileSync(join(shots, file), text);
    await page.setInputFiles("#file", join(shots, file));
    await page.waitForFunction((f) => document.querySelector("#status").textContent.includes(f), file);
    check(`${name}: ${file}`, (await page.inputValue("#documents")) === "one\ntwo", await page.inputValue("#documents"));
  }

  check(`${name}: results of other documents are gone`, (await page.$$eval("#results li", (l) => l.length)) === 0, "");
  writeFileSync(join(shots, "a.pdf"), "%PDF-1.7\n");
  await page.setInputFiles("#file", join(shots, "a.pdf"));
  await page.waitForFunction(() => document.querySelector("#status").textContent.includes("a.pdf"));
  check(`${name}: a PDF is refused`, (await page.inputValue("#documents")) === "one\ntwo", await page.inputValue("#documents"));

  // Why.
  await page.fill("#documents", "Bread is baked. Deep learning is machine learning. It rains.\nNothing.");
  await page.check("#why");
  await page.click("#rank");
  await page.waitForSelector("#results mark");
  const marks = await page.$$eval("#results mark", (l) => l.map((m) => m.textContent));
  check(`${name}: the best sentences`, marks[0] === "Deep learning is machine learning." && marks[1] === "Nothing.", marks);
  await page.uncheck("#why");

  // The calls, by arrow keys.
  await page.focus("#tab-curl");
  const words = { curl: "curl -s ", go: "m.Rerank(", fourd: "cs.AIKit.Reranker", python: "urllib.request" };
  for (const [language, word] of Object.entries(words)) {
    const code = await page.textContent("#code");
    check(`${name}: ${language}`, code.includes(word) && code.includes("What is deep learning?"), code);
    await page.keyboard.press("ArrowRight");
  }
  await page.click("#copy");
  await page.waitForFunction(() => document.querySelector("#status").textContent === "Copied.");
  check(`${name}: copied`, (await page.evaluate(() => navigator.clipboard.readText())) === (await page.textContent("#code")), "");

  await page.fill("#documents", " ");
  await page.click("#rank");
  const said = await page.textContent("#status");
  check(`${name}: no documents`, said === "There is no document to rank.", said);
  check(`${name}: the console is free of errors`, complaints.length === 0, complaints);
  await context.close();
}
await browser.close();
process.exit(failed ? 1 : 0);
