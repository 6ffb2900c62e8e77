// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/// What a value must meet, in terms of schemas of the document.
sealed interface Formula {
    Formula TRUE = new And(Set.of());
    Formula FALSE = new Or(Set.of());

    /// The schema with this number in the document.
    record Schema(int id) implements Formula {}

    record Not(Schema of) implements Formula {}

    record And(Set<Formula> all) implements Formula {}

    record Or(Set<Formula> any) implements Formula {}

    static Formula and(Formula... all) {
        return and(List.of(all));
    }

    static Formula and(List<Formula> all) {
        var flat = new LinkedHashSet<Formula>();
        for (Formula one : all) {
            if (one.equals(FALSE)) {
                return FALSE;
            }
            if (one instanceof And(Set<Formula> inner)) {
                flat.addAll(inner);
            } else {
                flat.add(one);
            }
        }
        for (Formula one : flat) {
            if (one instanceof Not(Schema of) && flat.contains(of)) {
                return FALSE;
            }
        }
        return flat.size() == 1 ? flat.getFirst() : new And(flat);
    }

    static Formula or(List<Formula> any) {
        var flat = new LinkedHashSet<Formula>();
        for (Formula one : any) {
            if (one.equals(TRUE)) {
                return TRUE;
            }
            if (one instanceof Or(Set<Formula> inner)) {
                flat.addAll(inner);
            } else {
                flat.add(one);
            }
        }
        for (Formula one : flat) {
            if (one instanceof Not(Schema of) && flat.contains(of)) {
                return TRUE;
            }
        }
        return flat.size() == 1 ? flat.getFirst() : new Or(flat);
    }

    static Formula not(Formula of) {
        return switch (of) {
            case Schema schema -> new Not(schema);
            case Not(Schema inner) -> inner;
            case And(Set<Formula> all) -> or(negated(all));
            case Or(Set<Formula> any) -> and(negated(any));
        };
    }

    private static List<Formula> negated(Set<Formula> formulas) {
        var result = new ArrayList<Formula>();
        formulas.forEach(one -> result.add(not(one)));
        return result;
    }
}
