// Sends the form of an answer by form_post at once. Without this script, its button does.
(function () {
  "use strict";
  var form = document.getElementById("form-post");
  var entries = window.performance && performance.getEntriesByType ? performance.getEntriesByType("navigation") : [];
  // Somebody who comes back to this page must not send an answer twice.
  if (form && !(entries.length && entries[0].type === "back_forward")) {
    // A field may be called "submit" and stand in the way of the form's own.
    HTMLFormElement.prototype.submit.call(form);
  }
})();
