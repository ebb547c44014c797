
"use strict";
(() => {
  const ROW = 0, FILE = 1, ID = 2, OUTCOME = 3, STATUS = 4, TRIES = 5, TIME = 6, ENDED = 7, GROUP = 8, ERROR = 9, VALUES = 10;
  const PER_PAGE = 50;
  const find = (id) => document.getElementById(id);
  const facts = JSON.parse(find("facts").textContent);
  const all = JSON.parse(find("data").textContent);
  const head = document.querySelectorAll("#rows thead th");
  const body = document.querySelector("#rows tbody");
  const search = find("search"), outcome = find("outcome"), cause = find("cause");
  let texts = null;
  let found = all, page = 0, sortedBy = null, descending = false;

  const element = (name, className, text) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const errorOf = (row) =>
    row[ERROR] !== null ? row[ERROR] : facts.messages[row[GROUP]].split("<id>").join(row[ID]);
  const fileOf = (row) => facts.files[row[FILE]] || "";
  const milliseconds = (value) => value >= 1000 ? `${+(value / 1000).toPrecision(3)} s` : `${value} ms`;
  const span = (seconds) => {
    if (seconds < 60) return `${seconds.toFixed(1)} s`;
    const whole = Math.round(seconds), two = (number) => String(number).padStart(2, "0");
    const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
    return hours ? `${hours} h ${two(minutes)} min` : `${minutes} min ${two(whole % 60)} s`;
  };

  const cell = (className, text) => {
    const made = element("td", className, text);
    made.setAttribute("role", "cell"); // where a narrow screen shows no table, it is one all the same
    return made;
  };
  const isolated = (className, text) => {
    const made = cell(className);
    made.append(element("bdi", "", text));
    return made;
  };
  const valueOf = ([name, ...values]) => {
    const made = element("span", "value");
    made.append(element("span", "field", name), " ");
    if (values.length === 1) {
      made.append(element("bdi", "", values[0]));
    } else {
      const arrow = element("span", "", "→");
      arrow.setAttribute("aria-hidden", "true");
      made.append(element("span", "unseen", "from "), element("bdi", "old", values[0]), " ", arrow);
      made.append(element("span", "unseen", " to "), " ", element("bdi", "", values[1]));
    }
    return made;
  };
  const lineOf = (row) => {
    const line = element("tr");
    line.setAttribute("role", "row");
    const number = element("th", "n", row[ROW]);
    number.scope = "row";
    number.setAttribute("role", "rowheader");
    line.append(number);
    if (facts.files.length) line.append(isolated("file", fileOf(row)));
    line.append(isolated("id", row[ID]));
    const became = cell("outcome");
    const dot = element("span", `dot o-${row[OUTCOME]}`);
    dot.setAttribute("aria-hidden", "true");
    became.append(dot, row[OUTCOME]);
    const what = cell("what"), error = errorOf(row);
    if (error) {
      const sentence = element("span", "error");
      sentence.append(element("bdi", "", error));
      what.append(sentence);
    }
    what.append(...row[VALUES].map(valueOf));
    line.append(
      became,
      cell("n", row[STATUS] ?? ""),
      what,
      cell("n extra", row[TRIES]),
      cell("n extra", row[TIME] === null ? "" : milliseconds(row[TIME])),
      cell("n extra", row[ENDED] === null ? "" : span(row[ENDED])),
    );
    return line;
  };

  const show = () => {
    const pages = Math.max(1, Math.ceil(found.length / PER_PAGE));
    page = Math.min(Math.max(0, page), pages - 1);
    const from = page * PER_PAGE, to = Math.min(found.length, from + PER_PAGE);
    body.replaceChildren(...found.slice(from, to).map(lineOf));
    const count = found.length.toLocaleString("en");
    const what = (found.length === 1 ? "row" : "rows") + (found.length === all.length ? "" : " found");
    const place = found.length === 1 ? "" : `${(from + 1).toLocaleString("en")} to ${to.toLocaleString("en")} of `;
    find("status").textContent = found.length ? `${place}${count} ${what}` : "No row was found.";
    find("before").disabled = page === 0;
    find("after").disabled = page === pages - 1;
  };

  const textOf = (row) =>
    [row[ROW], fileOf(row), row[ID], row[OUTCOME], row[STATUS] ?? "", errorOf(row), ...row[VALUES].flat()].join("\n").toLowerCase();
  const keyOf = (row) => {
    if (sortedBy === FILE) return fileOf(row);
    return sortedBy === ERROR ? errorOf(row) : row[sortedBy];
  };
  const compare = new Intl.Collator("en", { numeric: true }).compare;
  const update = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length && !texts) texts = new Map(all.map((row) => [row, textOf(row)]));
    found = all.filter((row) =>
      (!outcome.value || row[OUTCOME] === outcome.value)
      && (!cause.value || row[GROUP] === Number(cause.value))
      && words.every((word) => texts.get(row).includes(word)));
    if (sortedBy !== null) {
      const keyed = found.map((row) => [keyOf(row), row]);
      keyed.sort(([one], [other]) => {
        if (one === other) return 0;
        if (one === null || one === "") return 1;
        if (other === null || other === "") return -1;
        const order = typeof one === "number" ? one - other : compare(one, other);
        return descending ? -order : order;
      });
      found = keyed.map(([, row]) => row);
    }
    page = 0;
    show();
  };

  const option = (value, text) => {
    const made = element("option", "", text);
    made.value = value;
    return made;
  };
  outcome.append(option("", "all"), ...facts.outcomes.map((one) => option(one, one)));
  cause.append(option("", "all"), ...facts.messages.map((one, index) => option(index, one.length > 60 ? `${one.slice(0, 59)}…` : one)));
  let typing;
  search.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(update, 80); });
  outcome.addEventListener("change", update);
  cause.addEventListener("change", update);
  find("controls").addEventListener("submit", (event) => { event.preventDefault(); update(); });
  find("before").addEventListener("click", () => { page -= 1; show(); });
  find("after").addEventListener("click", () => { page += 1; show(); });
  for (const button of document.querySelectorAll("[data-group]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      search.value = "";
      outcome.value = "";
      cause.value = button.dataset.group;
      update();
      find("rows-title").scrollIntoView();
      cause.focus({ preventScroll: true });
    });
  }
  for (const heading of head) {
    const column = Number(heading.dataset.sort);
    const button = element("button", "", heading.textContent);
    button.type = "button";
    heading.replaceChildren(button);
    button.addEventListener("click", () => {
      descending = sortedBy === column && !descending;
      sortedBy = column;
      for (const one of head) one.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      update();
    });
  }
  find("controls").hidden = all.length === 0;
  find("pager").hidden = all.length === 0;
  show();
})();
