"""One rule file per grant type; flows/grant_types mirrors this folder."""
