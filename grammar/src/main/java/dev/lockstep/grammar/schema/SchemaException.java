// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

/// A schema that is malformed, over a limit, or has a keyword that cannot be enforced.
public final class SchemaException extends IllegalArgumentException {
    private static final long serialVersionUID = 1;

    private final String keyword;
    private final String place;

    SchemaException(String keyword, String place, String what) {
        super("'%s' at '%s': %s".formatted(keyword, place.isEmpty() ? "#" : place, what));
        this.keyword = keyword;
        this.place = place;
    }

    public String keyword() {
        return keyword;
    }

    /// The JSON pointer of the schema that has the keyword.
    public String place() {
        return place;
    }
}
