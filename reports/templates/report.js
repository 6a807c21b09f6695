(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const dialog = document.getElementById("detail");
  const body = document.getElementById("detail-body");
  document.documentElement.classList.add("js");

  // Text only ever goes in as text: no name of others can become an element.
  const make = (tag, text, ...children) => {
    const node = document.createElement(tag);
    if (text) node.textContent = text;
    node.append(...children);
    return node;
  };
  const head = (text, scope) => {
    const cell = make("th", text);
    cell.scope = scope;
    return cell;
  };

  const table = (caption, corner, heads, rows) => {
    const top = make("tr", "", head(corner, "col"), ...heads.map((text) => head(text, "col")));
    const lines = rows.map(([name, texts]) =>
      make("tr", "", head(name, "row"), ...texts.map((text) => make("td", text))));
    const made = make("table", "", make("caption", caption), make("thead", "", top),
      make("tbody", "", ...lines));
    const region = make("div", "", made);
    region.className = "scroll";
    region.tabIndex = 0;
    region.setAttribute("role", "region");
    region.setAttribute("aria-label", caption);
    return region;
  };

  const facts = (pairs) => {
    const list = make("dl");
    list.className = "facts";
    for (const [name, text] of pairs) list.append(make("dt", name), make("dd", text));
    return list;
  };

  const picture = (address, alt) => {
    const image = make("img");
    image.src = address;
    image.alt = alt;
    image.width = image.height = 80;
    return image;
  };
  const named = (one, [index, score, above], before) => {
    const side = one.threshold && `, ${above ? "" : "not "}above the threshold ${one.threshold}`;
    return `${before}${data.images[index][1]}, score ${score}${side}`;
  };
  const gallery = (title, shown) => {
    const list = make("ul");
    list.className = "thumbs";
    for (const [one, line, before] of shown) {
      const caption = named(one, line, before);
      const stack = make("div", "", picture(data.pictures[data.images[line[0]][0]], caption));
      stack.className = "stack";
      if (line.length > 3) stack.append(picture(data.maps[line[3]], "its anomaly map"));
      list.append(make("li", "", make("figure", "", stack, make("figcaption", caption))));
    }
    return [make("h3", title), list];
  };

  const OUTRANKS = "every anomalous image outranks every nominal one.";
  const seedImages = (one) => {
    const lines = (kind) => one[kind].map((line) => [one, line, ""]);
    const out = [];
    if (one.worst.length) out.push(...gallery("Judged worst", lines("worst")));
    // Without best ones the test set has one class only, and no image outranks another.
    else if (one.best.length) out.push(make("p", `In this seed ${OUTRANKS}`));
    if (one.best.length) out.push(...gallery("Judged best", lines("best")));
    return out;
  };
  const everySeed = (runs) => {
    const found = runs.filter((run) => data.thumbs[run]);
    if (runs.length === 1) return found.flatMap((run) => seedImages(data.thumbs[run]));
    return found.map((run, index) => {
      const name = make("summary", `Images of seed ${data.runs[run][0]}`);
      const box = make("details", "", name, ...seedImages(data.thumbs[run]));
      box.open = index === 0;
      return box;
    });
  };
  // An average shows the one image of each category that is judged worst in its first seed.
  const everyCategory = ({ rows, runs }) => {
    const firsts = runs.map((own) => own.map((run) => data.thumbs[run]).find(Boolean));
    const shown = firsts.flatMap((one, row) =>
      (one ? one.worst.slice(0, 1) : []).map((line) => [one, line, `${rows[row][0]}: `]));
    if (shown.length) return gallery("Judged worst, first seed", shown);
    return firsts.some((one) => one?.best.length) ? [make("p", `In the first seeds ${OUTRANKS}`)]
      : [];
  };

  const images = (runs, shown) => {
    const box = make("div", "", ...shown);
    box.className = "images";
    const out = [box];
    if (box.querySelector(".stack img + img")) {
      const shows = make("input");
      shows.type = "checkbox";
      shows.checked = true;
      shows.addEventListener("change", () => box.classList.toggle("bare", !shows.checked));
      const label = make("label", "", shows, " Anomaly maps over the images");
      label.className = "maps";
      out.unshift(label);
    }
    if (data.note && !runs.every((run) => data.thumbs[run])) out.push(make("p", data.note));
    return out;
  };

  const seeds = (indices) => {
    const runs = indices.map((index) => data.runs[index]);
    const rows = data.rows
      .map((name, row) => [name, runs.map((run) => run[1][row] || "–")])
      .filter((row) => row[1].some((text) => text !== "–"));
    const about = "Each seed; the command reproduce explain KEY shows the rest";
    return table(about, "Result", runs.map((run) => `Seed ${run[0]}`), rows);
  };

  // Results and images of each seed of one category.
  const category = (runs) => [seeds(runs), ...images(runs, everySeed(runs))];
  // Of an average, its categories' numbers, then each category folded as if its own cell was open.
  const average = (own) => [
    table("What the average is made of", "Category", own.heads, own.rows),
    ...images(own.runs.flat(), everyCategory(own)),
    make("h3", "Each category"),
    ...own.rows.map(([name], row) => {
      const box = make("details", "", make("summary", name));
      box.addEventListener("toggle", () => box.append(...category(own.runs[row])), { once: true });
      return box;
    }),
  ];

  const open = (button) => {
    const cell = data.cells[Number(button.dataset.cell)];
    const made = data.made[cell.made];
    document.getElementById("detail-title").textContent = cell.title;
    body.replaceChildren(facts(cell.facts));
    body.append(...(cell.table ? average(cell.table) : category(cell.runs)));
    body.append(make("h3", "Made with"), facts(made.facts));
    if (made.settings.length) {
      body.append(make("details", "", make("summary", "Settings"), facts(made.settings)));
    }
    dialog.showModal();
    dialog.scrollTop = 0;
    dialog.addEventListener("close", () => button.focus(), { once: true });
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.open");
    if (button) open(button);
    // The backdrop belongs to the dialog; what lies on it does not.
    else if (event.target === dialog || event.target.closest("#detail-close")) dialog.close();
  });

  // Tables have one stop for the tab key; arrows move inside.
  const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  const rowsOf = (own) => [...own.tBodies[0].rows];
  const visible = (own) => rowsOf(own).filter((row) => !row.hidden);
  const stop = (own, wanted) => {
    const all = [...own.querySelectorAll("button.open")];
    const shown = wanted || all.find((one) => !one.closest("tr").hidden);
    for (const one of all) one.tabIndex = one === shown ? 0 : -1;
  };
  const move = (event) => {
    const button = event.target.closest("button.open");
    const step = STEPS[event.key];
    if (!button || !step) return;
    event.preventDefault();
    const own = button.closest("table");
    const rows = visible(own);
    let [row, column] = [rows.indexOf(button.closest("tr")), button.closest("td").cellIndex];
    let next = null;
    do {
      [row, column] = [row + step[0], column + step[1]];
      if (!rows[row] || !rows[row].cells[column]) return;
      next = rows[row].cells[column].querySelector("button.open");
    } while (!next);
    stop(own, next);
    next.focus();
  };

  // What a cell shows at the moment: by name in the first column, by number in the others.
  const numberOf = (cell, view) => {
    const text = (cell.querySelector(`.v-${view}`) || cell).textContent.trim();
    // "12 of 15" begins with a digit and is no number.
    return /^[+-]?\d+ of \d/.test(text) ? NaN : parseFloat(text);
  };
  const byName = (sign) => (a, b) =>
    sign * a.cells[0].textContent.localeCompare(b.cells[0].textContent, "en", { numeric: true });
  const byNumber = (sign, column, view) => (a, b) => {
    const [one, other] = [a, b].map((row) => numberOf(row.cells[column], view));
    // What has no number comes last, whichever way.
    if (isNaN(one) || isNaN(other)) return isNaN(one) - isNaN(other);
    return sign * (one - other);
  };

  const prepare = (section) => {
    const own = section.querySelector("table.rows");
    const tools = section.querySelector(".tools");
    const first = rowsOf(own);
    const heads = [...own.tHead.rows[own.tHead.rows.length - 1].cells];
    let column = -1;
    let sign = 0;
    const view = () => section.querySelector(".view input:checked")?.value || "achieved";
    const sort = () => {
      const order = first.filter((row) => !row.classList.contains("whole"));
      if (sign) order.sort(column ? byNumber(sign, column, view()) : byName(sign));
      // Averages stay below what they are averages of.
      const last = first.filter((row) => row.classList.contains("whole"));
      own.tBodies[0].append(...(sign ? [...order, ...last] : first));
      own.classList.toggle("sorted", sign !== 0);
      heads.forEach((cell, index) => {
        const state = index === column && sign ? (sign > 0 ? "ascending" : "descending") : null;
        if (state) cell.setAttribute("aria-sort", state);
        else cell.removeAttribute("aria-sort");
      });
    };
    const filter = () => {
      const wanted = tools.querySelector("input[type=search]").value.trim().toLowerCase();
      const verdict = tools.querySelector("select")?.value || "";
      for (const row of first) {
        const named = row.cells[0].textContent.toLowerCase().includes(wanted);
        const judged = [...row.querySelectorAll(".sign")].some((s) => s.dataset.v === verdict);
        row.hidden = !(named && (!verdict || judged));
      }
      const left = visible(own).length;
      tools.querySelector("output").textContent = left === first.length ? ""
        : `${left} of ${first.length} rows`;
      stop(own);
    };
    heads.forEach((cell, index) => {
      const button = make("button", "", ...cell.childNodes);
      button.type = "button";
      button.className = "sort";
      cell.append(button);
      button.addEventListener("click", () => {
        // Numbers start with the largest, names with A; the third click is the paper's order.
        const start = index ? -1 : 1;
        [column, sign] = index !== column || !sign ? [index, start]
          : [index, sign === start ? -start : 0];
        sort();
      });
    });
    section.addEventListener("change", (event) => {
      if (event.target.type === "radio" && sign) sort();
    });
    tools.addEventListener("input", filter);
    tools.hidden = false;
    own.addEventListener("keydown", move);
    own.addEventListener("focusin", (event) => {
      if (event.target.matches("button.open")) stop(own, event.target);
    });
    stop(own);
  };
  for (const section of document.querySelectorAll("section.block")) prepare(section);
})();
