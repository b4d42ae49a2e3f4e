from sessions_app.drafts import *  # noqa: F403
