(function () {
  "use strict";
  var value = function (row, at) {
    var cell = row.cells[at], text = cell ? cell.textContent.trim() : "";
    var plain = text.replace(/,/g, "").replace("\u2212", "-"), number = parseFloat(plain);
    if (!/^[+-]?[\d.]/.test(plain) || isNaN(number)) return text.toLowerCase();
    var unit = /^[\d.]+ (ms|s|min|h|MB|GB)\b(?: (\d+) (?:s|min)\b)?/.exec(plain);
    if (!unit) return number;
    return number * { ms: 0.001, s: 1, min: 60, h: 3600, MB: 1, GB: 1000 }[unit[1]] +
      (unit[2] || 0) * (unit[1] === "h" ? 60 : 1);
  };
  var order = function (a, b) {
    if (typeof a === typeof b) return a < b ? -1 : a > b ? 1 : 0;
    return typeof a === "number" ? -1 : 1;
  };
  document.querySelectorAll("table").forEach(function (table) {
    var body = table.tBodies[0], heads = table.tHead ? table.tHead.rows[0].cells : [];
    if (!body || body.rows.length < 3) return;
    Array.prototype.forEach.call(heads, function (head, at) {
      if (!head.textContent) return;
      var button = document.createElement("button");
      button.type = "button";
      while (head.firstChild) button.appendChild(head.firstChild);
      head.appendChild(button);
      button.addEventListener("click", function () {
        var down = head.getAttribute("aria-sort") === "ascending";
        Array.prototype.forEach.call(heads, function (other) { other.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        var rows = Array.prototype.slice.call(body.rows);
        rows.sort(function (a, b) { return (down ? -1 : 1) * order(value(a, at), value(b, at)); });
        rows.forEach(function (row) { body.appendChild(row); });
      });
    });
    if (!table.classList.contains("f")) return;
    var field = document.createElement("input");
    field.type = "search";
    field.className = "q";
    field.placeholder = "filter rows";
    field.setAttribute("aria-label", "filter: " + table.caption.textContent);
    field.addEventListener("input", function () {
      var wanted = field.value.toLowerCase();
      Array.prototype.forEach.call(body.rows, function (row) {
        row.hidden = row.textContent.toLowerCase().indexOf(wanted) < 0;
      });
    });
    var place = table.parentNode.className === "w" ? table.parentNode : table;
    place.parentNode.insertBefore(field, place);
  });
  var tip = document.createElement("div");
  tip.id = "tip";
  tip.hidden = true;
  tip.setAttribute("aria-hidden", "true");
  document.body.appendChild(tip);
  document.addEventListener("mousemove", function (event) {
    var mark = event.target.closest ? event.target.closest("svg *") : null;
    var title = mark && mark.querySelector(":scope > title");
    tip.hidden = !title;
    if (!title) return;
    tip.textContent = title.textContent;
    tip.style.left = Math.min(event.clientX + 12, innerWidth - tip.offsetWidth - 4) + "px";
    tip.style.top = event.clientY + 14 + "px";
  });
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details").forEach(function (each) { each.open = true; });
  });
})();
