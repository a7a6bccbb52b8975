// A form is sent once: pressed twice, a button would have everything done twice. Without this script it may be.
(function () {
  "use strict";
  // Whoever presses again after this long, in milliseconds, believes that nothing happens, and is mostly right: an
  // application did not open, or the answer was stopped on its way.
  var PATIENCE = 10000;
  var sent = new Map();
  document.addEventListener("submit", function (event) {
    if (event.defaultPrevented) return;
    if (Date.now() - sent.get(event.target) < PATIENCE) event.preventDefault();
    else sent.set(event.target, Date.now());
  });
  window.addEventListener("pageshow", function (event) {
    if (event.persisted) sent.clear();
  });
})();
