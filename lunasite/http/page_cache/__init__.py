"""Page cache: public pages kept for visitors who are not signed in, valid while nothing that they show has changed.

`content_version` names the state of the database's public content, and `written_tables` notices each statement that
changes it; `views` has the decorator of a view; `parts` keeps what a
member's page has in common with a visitor's; `pages` holds what is kept in the memory of the process.
docs/page-cache.md says what is kept, for whom and how long.
"""
