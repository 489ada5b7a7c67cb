//! Which steps tell the story.
