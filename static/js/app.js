// The console's behaviour: each import defines one custom element or one document-wide habit.
import "scrollback/elements/command-palette";
import "scrollback/elements/copy-button";
import "scrollback/elements/favicon-state";
import "scrollback/elements/fold-output";
import "scrollback/elements/hot-keys";
import "scrollback/elements/live-list";
import "scrollback/elements/live-wall";
import "scrollback/elements/nav-list";
import "scrollback/elements/peek-pane";
import "scrollback/elements/relative-time";
import "scrollback/elements/selection-count";
import "scrollback/elements/sticky-scroll";
import "scrollback/elements/theme-switch";
import "scrollback/elements/time-scrubber";
import "scrollback/elements/toast-region";
import "scrollback/dialogs";
import "scrollback/menus";
