// Looks into the lists that the page carries. What is a stranger's is set as text, never as markup.
"use strict";
(function () {
  var data = JSON.parse(document.getElementById("lists").textContent);
  var box = document.getElementById("finder");
  if (!box || !data.lists.length) return;
  var input = document.getElementById("search");
  var count = document.getElementById("count");
  var found = document.getElementById("found");
  var list = document.getElementById("list");
  var MOST = 30; // results that are shown: more are narrowed down by typing on
  var KINDS = { user: "user", item: "item", category: "category", all: "for everybody", onboarding: "onboarding" };

  var titles = {};
  data.items.forEach(function (item) { titles[item[0]] = item[1]; });

  function named(kind, id) {
    if (kind === "all" || kind === "onboarding") return KINDS[kind];
    var title = kind === "item" && titles[id] ? titles[id] + " " : "";
    return KINDS[kind] + " " + title + (kind === "item" && title ? "(" + id + ")" : id || "(no id)");
  }

  var lists = data.lists.map(function (entry) {
    var name = named(entry[0], entry[1]);
    return { kind: entry[0], id: entry[1], shelves: entry[2], name: name, text: name.toLowerCase() };
  });

  // An exact id first, then names that begin so, then the rest; lists that only hold such an item last.
  function rank(one, asked) {
    if (one.id.toLowerCase() === asked) return 0;
    if (one.text.indexOf(asked) >= 0) return one.text.indexOf(" " + asked) >= 0 ? 1 : 2;
    return holds(one, asked) ? 3 : -1;
  }

  function holds(one, asked) {
    return one.shelves.some(function (shelf) {
      return shelf[1].some(function (slot) {
        var item = data.items[slot[0]];
        return item[0].toLowerCase() === asked || (asked.length > 2 && item[1].toLowerCase().indexOf(asked) >= 0);
      });
    });
  }

  function search() {
    var asked = input.value.trim().toLowerCase();
    var ranked = lists.map(function (one) { return [asked ? rank(one, asked) : 1, one]; });
    ranked = ranked.filter(function (pair) { return pair[0] >= 0; });
    ranked.sort(function (a, b) { return a[0] - b[0]; });
    var by_name = ranked.filter(function (pair) { return pair[0] < 3; }).length;
    say(asked, ranked.length, by_name);
    found.replaceChildren.apply(found, ranked.slice(0, MOST).map(function (pair) { return result(pair[1], asked && pair[0] === 3); }));
  }

  function say(asked, n, by_name) {
    if (!asked) count.textContent = n + " lists are on this page.";
    else if (!n) count.textContent = "Not on this page. nightshelf shelf USER looks anyone up.";
    else count.textContent = by_name + " by that name, " + (n - by_name) + " with such an item" + (n > MOST ? "; the first " + MOST : "") + ".";
  }

  function element(tag, name, text) {
    var made = document.createElement(tag);
    if (name) made.className = name;
    if (text) made.textContent = text;
    return made;
  }

  function result(one, by_item) {
    var row = element("li");
    var button = element("button", "", one.name + (by_item ? ", has it" : ""));
    button.type = "button";
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", function () {
      Array.prototype.forEach.call(found.querySelectorAll("button"), function (b) { b.setAttribute("aria-pressed", String(b === button)); });
      show(one);
      list.focus({ preventScroll: true });
    });
    row.appendChild(button);
    return row;
  }

  function show(one) {
    var heading = element("h3", "", "Shelves of " + one.name);
    if (one.kind === "all") heading.textContent = "Shelves for everybody";
    var boards = element("div", "boards");
    one.shelves.forEach(function (shelf) { boards.appendChild(board(data.shelves[shelf[0]], shelf[1])); });
    list.replaceChildren(heading, boards);
  }

  function board(name, slots) {
    var made = element("article", "board");
    var sources = slots.map(function (slot) { return slot[2]; });
    var one_source = sources.every(function (source) { return source === sources[0]; });
    made.appendChild(element("h4", "", one_source ? name + ", by " + data.sources[sources[0]] : name));
    var rows = element("ol");
    slots.forEach(function (slot) { rows.appendChild(place(slot, one_source)); });
    made.appendChild(rows);
    return made;
  }

  function place(slot, one_source) {
    var item = data.items[slot[0]];
    var row = element("li");
    row.appendChild(element("span", "title", item[1] || item[0] || "(no id)"));
    if (item[1]) row.appendChild(element("span", "item", " " + item[0]));
    if (slot[3]) row.appendChild(element("span", "tag", "exploring"));
    row.appendChild(element("span", "why", data.reasons[slot[1]] + (one_source ? "" : " · " + data.sources[slot[2]])));
    return row;
  }

  box.hidden = false;
  input.addEventListener("input", search);
  search();
  show(lists[0]);
  window.addEventListener("beforeprint", function () {
    Array.prototype.forEach.call(document.querySelectorAll("details"), function (d) { d.open = true; });
  });
})();
