// Sends the form of an answer by form_post at once. Without this script, its button does; and not after it (forms.js).
(function () {
  "use strict";
  var form = document.getElementById("form-post");
  var entries = window.performance && performance.getEntriesByType ? performance.getEntriesByType("navigation") : [];
  // Somebody who comes back to this page must not send an answer twice.
  if (form && !(entries.length && entries[0].type === "back_forward")) {
    // A field may be called like the form's own method and stand in its way.
    HTMLFormElement.prototype.requestSubmit.call(form);
  }
})();
