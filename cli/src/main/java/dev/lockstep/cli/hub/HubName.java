// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The name of a hub's model, as a user writes it: `org/name[@revision][:choice]`.
///
/// @param revision a branch, a tag or a commit
/// @param choice one of its GGUF files, by name or by the type at the end of its name
record HubName(String organization, String name, String revision, Optional<String> choice) {
    static final String DEFAULT_REVISION = "main";

    // A segment must not begin with a dot: the segments become folder names.
    private static final String SEGMENT = "[A-Za-z0-9_-][A-Za-z0-9._-]*";
    private static final Pattern FORM =
            Pattern.compile("(%1$s)/(%1$s)(?:@(%1$s(?:/%1$s)*))?(?::([^:]+))?".formatted(SEGMENT));
    private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");

    /// Parses a name; empty if the text has another form.
    static Optional<HubName> parse(String text) {
        Matcher form = FORM.matcher(text);
        // The cache joins both parts with "--".
        if (!form.matches() || form.group(1).contains("--") || form.group(2).contains("--")) {
            return Optional.empty();
        }
        return Optional.of(
                new HubName(
                        form.group(1),
                        form.group(2),
                        Optional.ofNullable(form.group(3)).orElse(DEFAULT_REVISION),
                        Optional.ofNullable(form.group(4))));
    }

    /// Returns `org/name`.
    String repository() {
        return organization + "/" + name;
    }

    /// Returns whether the revision is a commit, which never changes.
    boolean isCommit() {
        return COMMIT.matcher(revision).matches();
    }

    /// Returns `org/name`, or `org/name@revision` if the revision is not the default.
    @Override
    public String toString() {
        return revision.equals(DEFAULT_REVISION) ? repository() : repository() + "@" + revision;
    }
}
