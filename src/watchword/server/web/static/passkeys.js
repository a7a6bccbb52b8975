// Passkeys: signing in with one, and making one. Without this script their forms stay hidden, and the password works.
(function () {
  "use strict";

  const bytes = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer)))
      .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const show = (id, visible) => {
    const element = document.getElementById(id);
    if (element) element.hidden = !visible;
  };
  const capable = Boolean(window.PublicKeyCredential && navigator.credentials);

  // A challenge is renewed when most of its life is over: the user needs the rest.
  const renewalOf = (form) => Date.now() + form.dataset.lifetime * 600;

  function offerSignIn(form) {
    const button = document.getElementById("passkey-sign-in");
    let options = JSON.parse(form.dataset.options);
    let renewal = renewalOf(form);
    let waiting = null;
    let busy = false;

    async function renewed() {
      if (Date.now() < renewal) return;
      renewal = Date.now() + 60000;
      const answer = await fetch(form.action, { cache: "no-store" }).catch(() => null);
      // With the old one the server says that the page is too old, and shows a new page.
      if (!answer || !answer.ok) return;
      const fresh = await answer.json();
      options = fresh.options;
      form.elements.challenge.value = fresh.challenge;
      renewal = renewalOf(form);
    }

    async function signIn(how) {
      await renewed();
      const publicKey = { ...options, challenge: bytes(options.challenge) };
      const credential = await navigator.credentials.get({ ...how, publicKey });
      const { clientDataJSON, authenticatorData, signature, userHandle } = credential.response;
      busy = true;
      form.elements.assertion.value = JSON.stringify({
        id: credential.id,
        rawId: text(credential.rawId),
        type: credential.type,
        response: {
          clientDataJSON: text(clientDataJSON),
          authenticatorData: text(authenticatorData),
          signature: text(signature),
          userHandle: userHandle ? text(userHandle) : undefined,
        },
      });
      form.submit();
    }

    // The browser offers passkeys where it offers user names, and waits for as long as the page is there.
    async function offerInField() {
      if (busy || !PublicKeyCredential.isConditionalMediationAvailable) return;
      if (!(await PublicKeyCredential.isConditionalMediationAvailable()) || busy) return;
      if (waiting) waiting.abort();
      waiting = new AbortController();
      // A refusal here is no news: the user did not ask for anything, or asked for something else.
      await signIn({ mediation: "conditional", signal: waiting.signal }).catch(() => {});
    }

    button.addEventListener("click", async () => {
      if (busy) return;
      busy = button.disabled = true;
      show("passkey-trouble", false);
      if (waiting) waiting.abort();
      try {
        await signIn({});
      } catch {
        busy = button.disabled = false;
        show("passkey-trouble", true);
        offerInField();
      }
    });

    // Whoever is at another window may be at the browser's own, in the middle of signing in: it is left in peace.
    const renewIfIdle = () => {
      if (!busy && !document.hidden && document.hasFocus() && Date.now() >= renewal) offerInField();
    };
    setInterval(renewIfIdle, 20000);
    // A little later: a sign-in at the browser's own window that just ended comes first.
    window.addEventListener("focus", () => setTimeout(renewIfIdle, 500));
    window.addEventListener("pageshow", (event) => {
      if (!event.persisted) return;
      busy = button.disabled = false;
      renewal = 0;
      offerInField();
    });

    form.hidden = false;
    offerInField();
  }

  function offerCreation(form) {
    const button = document.getElementById("create-passkey");
    const name = form.elements.name;
    const until = Date.now() + form.dataset.lifetime * 900;

    async function create() {
      const options = JSON.parse(form.dataset.options);
      const publicKey = {
        ...options,
        challenge: bytes(options.challenge),
        user: { ...options.user, id: bytes(options.user.id) },
        excludeCredentials: options.excludeCredentials.map((one) => ({ ...one, id: bytes(one.id) })),
      };
      const credential = await navigator.credentials.create({ publicKey });
      const { response } = credential;
      const transports = response.getTransports ? response.getTransports() : [];
      if (name.value === name.defaultValue && transports.length && !transports.includes("internal")) {
        name.value = transports.includes("hybrid") ? form.dataset.phone : form.dataset.securityKey;
      }
      form.elements.credential.value = JSON.stringify({
        id: credential.id,
        rawId: text(credential.rawId),
        type: credential.type,
        response: {
          clientDataJSON: text(response.clientDataJSON),
          attestationObject: text(response.attestationObject),
          transports,
        },
      });
      form.submit();
    }

    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (button.disabled) return;
      if (Date.now() > until) {
        location.assign(form.dataset.again);
        return;
      }
      button.disabled = true;
      show("passkey-trouble", false);
      show("passkey-taken", false);
      try {
        await create();
      } catch (error) {
        button.disabled = false;
        show(error.name === "InvalidStateError" ? "passkey-taken" : "passkey-trouble", true);
      }
    });
    form.hidden = false;
  }

  // Whoever keeps the user's passkeys hears which of them are good, and stops offering the others.
  function tellAccepted(section) {
    const accepted = JSON.parse(section.dataset.accepted);
    if (accepted && capable && PublicKeyCredential.signalAllAcceptedCredentials) {
      PublicKeyCredential.signalAllAcceptedCredentials(accepted).catch(() => {});
    }
  }

  const signInForm = document.getElementById("passkey-form");
  const creationForm = document.getElementById("new-passkey-form");
  const section = document.getElementById("passkeys");
  if (!capable) show("passkey-unsupported", true);
  if (capable && signInForm) offerSignIn(signInForm);
  if (capable && creationForm) offerCreation(creationForm);
  if (section) tellAccepted(section);
})();
