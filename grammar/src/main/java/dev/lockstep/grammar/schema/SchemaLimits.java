// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

/// How large a schema may be.
///
/// @param bytes of its text
/// @param depth of nested objects and arrays
/// @param schemas schemas and subschemas in the document
/// @param values entries of one `enum`, and the largest count of items or properties
/// @param alternatives shapes that one value may have after `anyOf`, `not` and so on are multiplied
/// @param rules of the grammar
public record SchemaLimits(
        int bytes, int depth, int schemas, int values, int alternatives, int rules) {
    public static final SchemaLimits DEFAULT =
            new SchemaLimits(64 << 10, 32, 2_000, 10_000, 64, 20_000);

    public SchemaLimits {
        if (Math.min(Math.min(bytes, depth), Math.min(schemas, values)) < 1
                || Math.min(alternatives, rules) < 1) {
            throw new IllegalArgumentException("a limit of a schema below 1");
        }
    }
}
