"""The pages that people see, and the files that they load: what endpoints render with.

``Pages.page(name, locales=..., **context)`` gives the whole answer: HTML, status, language and every security header.
Pages work without JavaScript. All texts are escaped; what a client or a user supplied is never read as HTML.

Which names a page takes, and which problems it can tell of, stands in ``contexts``; a name too many or too few is a
``TypeError``. Forms are posted as ``application/x-www-form-urlencoded`` and carry a hidden ``csrf`` field; sign-in,
sign-up, consent and the page for a forgotten password also carry ``request``, the authorization request in progress.
What they send:

- ``sign_in`` (#sign-in-form) to ``action``: ``csrf request username password``, and ``again`` where it was asked for
- ``second_step`` to ``action``: ``csrf request step`` and, of #otp-form, ``otp``; of #recovery-form, ``recovery_code``
- ``sign_up`` (#sign-up-form) to ``action``: ``csrf request username email password``
- ``consent`` (#consent-form) to ``action``: ``csrf request decision``, where decision is ``allow`` or ``deny``
- ``sign_out`` (#sign-out-form) to ``action``: ``csrf`` and every one of ``hidden``
- ``signed_out`` holds a link alone
- ``error`` (#continue-form), where there is one, to ``continue_url``: every one of ``continue_fields``
- ``form_post`` (#form-post) to ``action``: every one of ``fields``, and nothing else
- ``account``, below ``action`` (the account page's own path):
    - ``{action}/password`` (#password-form): ``csrf username current_password new_password repeated_password``, where
      username is only there for password managers
    - ``{action}/end-session``: ``csrf sid``
    - ``{action}/everywhere`` (#everywhere-form): ``csrf``
    - ``{action}/remove-application``: ``csrf client_id``
    - ``{action}/recovery-codes`` (#new-codes-form): ``csrf once``
    - ``{action}/totp/remove`` (#turn-off-form): ``csrf``
- ``totp`` (#totp-form) to ``action``: ``csrf pending otp``
- ``recovery_codes`` holds a link alone

Files are served below ``/static/`` under names with a hash of their content, which browsers may keep for ever.
An operator's folder of templates replaces any of ours by a file of the same name, which may extend the original as
``watchword/<name>``; ``static/`` in that folder adds or replaces files, ``texts/<language>.toml`` texts or languages.

Nothing here is loaded before the first page is rendered, as most nodes render few.
"""

from watchword.server.web.pages.brand import Brand, Logo
from watchword.server.web.pages.contexts import PageName
from watchword.server.web.pages.locales import preferred_locales
from watchword.server.web.pages.rendered import Pages

__all__ = ["Brand", "Logo", "PageName", "Pages", "preferred_locales"]
