// Document files: text, JSON, CSV. Independent of the page.

// Usual names of a document's text and id, the same as for winnow rank (internal/records).
const textNames = ["text", "document", "content", "contents", "passage", "body"];
const idNames = ["id", "_id", "doc_id", "docid", "document_id", "corpus-id", "pid"];

// textOf decodes a file's bytes and rejects what is not text.
export function textOf(bytes) {
  const begins = (s) => [...s].every((c, i) => bytes[i] === c.charCodeAt(0));
  if (begins("%PDF-")) throw new Error("PDF files are not supported: save the text as .txt");
  if (begins("PK\x03\x04")) throw new Error("workbooks and archives are not supported: save as CSV");
  if (begins("\xff\xfe")) return new TextDecoder("utf-16le").decode(bytes);
  if (begins("\xfe\xff")) return new TextDecoder("utf-16be").decode(bytes);
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Error("not UTF-8 text: save as .txt, .jsonl or “CSV UTF-8”");
  }
  if (text.includes("\0")) throw new Error("not a text file");
  return text;
}

// A table is a file with named columns: {kind, columns, rows, header}. A row has its
// position in the file and its cells. header says whether the first line names the columns;
// it is null for JSON.

// read parses a file's text into a table, or into a list of documents if it has no columns.
export function read(name, text) {
  if (/\.tsv$/i.test(name)) return csvTable(csvRows(text, "\t"));
  if (/\.csv$/i.test(name)) return csvTable(csvRows(text, delimiterOf(text)));
  if (/\.(jsonl|ndjson)$/i.test(name)) return jsonTable(jsonLines(text), "line");
  if (/\.json$/i.test(name)) return jsonTable(jsonList(text), "item");
  return documentsOfLines(text);
}

// documentsOfLines returns the non-empty lines with their numbers.
export function documentsOfLines(text) {
  return numbered(text.split("\n").map((text) => ({ text })), "line");
}

const numbered = (list, kind) =>
  list.map(({ text, id }, i) => ({ text: text.replace(/\s+/g, " ").trim(), id, kind, position: i + 1 })).filter((d) => d.text);

// documentsOf returns a table's documents; text and id are column indices, -1 for none.
export function documentsOf(table, text, id) {
  const documents = [];
  for (const { position, cells } of table.rows) {
    const flat = (cells[text] ?? "").replace(/\s+/g, " ").trim();
    if (flat) documents.push({ text: flat, id: cells[id] || undefined, kind: table.kind, position });
  }
  return documents;
}

// usual guesses the text and id columns: those with usual names, else the column with the
// longest cells, and no id.
export function usual(table) {
  const lower = table.columns.map((c) => c.trim().toLowerCase());
  const named = (names) => lower.indexOf(names.find((n) => lower.includes(n)));
  const length = (i) => table.rows.reduce((sum, { cells }) => sum + (cells[i] ?? "").length, 0);
  let text = table.header === false ? -1 : named(textNames);
  if (text < 0) text = lower.reduce((best, _, i) => (length(i) > length(best) ? i : best), 0);
  return { text, id: table.header === false ? -1 : named(idNames) };
}

// CSV.

// delimiterOf returns the delimiter that gives most of the leading rows as many cells as the
// first one.
export function delimiterOf(text) {
  const fit = (delimiter) => {
    const rows = csvRows(text, delimiter, 50);
    return rows[0]?.length > 1 ? rows.filter((r) => r.length === rows[0].length).length / rows.length : 0;
  };
  return [",", ";", "\t", "|"].map((c) => [c, fit(c)]).reduce((best, x) => (x[1] > best[1] ? x : best))[0];
}

// csvRows parses a text by RFC 4180 and returns at most that many rows, without empty ones.
export function csvRows(text, delimiter, most = Infinity) {
  const rows = [];
  let row = [], cell = "", quoted = false;
  const endRow = () => {
    row.push(cell);
    if (row.some(Boolean)) rows.push(row);
    row = [];
    cell = "";
  };
  for (let i = 0; i < text.length && rows.length < most; i++) {
    const c = text[i];
    if (quoted) {
      if (c !== '"') cell += c;
      else if (text[i + 1] === '"') { cell += c; i++; } else quoted = false;
    } else if (c === '"' && cell === "") quoted = true;
    else if (c === delimiter) { row.push(cell); cell = ""; }
    else if (c === "\n") endRow();
    else if (c !== "\r") cell += c;
  }
  if (rows.length < most) endRow();
  return rows;
}

const isNumber = (s) => s.trim() !== "" && !Number.isNaN(Number(s));

// hasHeader guesses whether the first row names the columns: it contains a usual name, or
// differs from the rows below it.
function hasHeader(rows) {
  const [first, ...rest] = rows;
  if (first.some((c) => [...textNames, ...idNames].includes(c.trim().toLowerCase()))) return true;
  if (rest.length === 0 || first.some((c) => !c.trim() || c.length > 60 || isNumber(c))) return false;
  return first.some((name, i) => {
    const cells = rest.map((r) => r[i] ?? "");
    return cells.every(isNumber) || cells.reduce((sum, c) => sum + c.length, 0) > 2 * name.length * cells.length;
  });
}

// csvTable returns a table of rows; header says whether the first row names the columns.
export function csvTable(rows, header = rows.length > 0 && hasHeader(rows)) {
  if (rows.length === 0) throw new Error("the file is empty");
  const width = Math.max(...rows.slice(0, 1000).map((r) => r.length));
  const columns = Array.from({ length: width }, (_, i) => (header && rows[0][i]?.trim()) || `column ${i + 1}`);
  const below = header ? rows.slice(1) : rows;
  return { kind: "row", columns, header, all: rows, rows: below.map((cells, i) => ({ position: i + 1, cells })) };
}

// JSON.

function jsonLines(text) {
  const list = [];
  text.split("\n").forEach((line, i) => {
    if (!line.trim()) return;
    try {
      list.push([i + 1, JSON.parse(line)]);
    } catch (err) {
      throw new Error(`line ${i + 1} is not JSON: ${err.message}`);
    }
  });
  return list;
}

// jsonList returns a list, or the first list in an object.
function jsonList(text) {
  const value = JSON.parse(text);
  const list = Array.isArray(value) ? value : Object.values(value ?? {}).find(Array.isArray);
  if (!list) throw new Error("expected a list of strings or of objects");
  return list.map((v, i) => [i + 1, v]);
}

// jsonTable returns a table with a column for every member that has a plain value. A string
// is a document's text.
function jsonTable(list, kind) {
  const columns = new Map();
  const rows = list.map(([position, value]) => {
    const members = typeof value === "string" ? { text: value } : value;
    if (typeof members !== "object" || members === null) {
      throw new Error(`${kind} ${position} is ${JSON.stringify(value)}: expected a string or an object`);
    }
    const cells = [];
    for (const [name, v] of Object.entries(members)) {
      if (!["string", "number", "boolean"].includes(typeof v)) continue;
      if (!columns.has(name)) columns.set(name, columns.size);
      cells[columns.get(name)] = String(v);
    }
    return { position, cells };
  });
  if (columns.size === 0) throw new Error("the file contains no text");
  return { kind, columns: [...columns.keys()], rows, header: null };
}
