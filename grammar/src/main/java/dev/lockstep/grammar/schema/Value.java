// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import dev.lockstep.grammar.Regex;
import dev.lockstep.grammar.regex.Language;
import java.util.ArrayList;
import java.util.List;

/// What a value may be, by type.
///
/// @param number the texts of numbers
/// @param string the texts of strings, with their quotes
/// @param arrays any one of these shapes
/// @param objects any one of these shapes
record Value(
        boolean nothing,
        boolean yes,
        boolean no,
        Regex number,
        Regex string,
        List<ArrayShape> arrays,
        List<ObjectShape> objects) {
    static final Value ANY =
            new Value(
                    true,
                    true,
                    true,
                    NumberText.ALL,
                    StringText.ALL,
                    List.of(ArrayShape.ANY),
                    List.of(ObjectShape.ANY));
    static final Value NONE =
            new Value(
                    false, false, false, Language.NOTHING, Language.NOTHING, List.of(), List.of());
    static final Value NULL = NONE.withNothing(true);

    Value withNothing(boolean allowed) {
        return new Value(allowed, yes, no, number, string, arrays, objects);
    }

    Value withBooleans(boolean yesAllowed, boolean noAllowed) {
        return new Value(nothing, yesAllowed, noAllowed, number, string, arrays, objects);
    }

    Value withNumber(Regex numbers) {
        return new Value(nothing, yes, no, numbers, string, arrays, objects);
    }

    Value withString(Regex strings) {
        return new Value(nothing, yes, no, number, strings, arrays, objects);
    }

    Value withArrays(List<ArrayShape> shapes) {
        return new Value(nothing, yes, no, number, string, shapes, objects);
    }

    Value withObjects(List<ObjectShape> shapes) {
        return new Value(nothing, yes, no, number, string, arrays, shapes);
    }

    Value or(Value other) {
        return new Value(
                nothing || other.nothing,
                yes || other.yes,
                no || other.no,
                eitherOf(number, other.number, NumberText.ALL),
                eitherOf(string, other.string, StringText.ALL),
                eitherOf(arrays, other.arrays, ArrayShape.ANY),
                eitherOf(objects, other.objects, ObjectShape.ANY));
    }

    private static Regex eitherOf(Regex left, Regex right, Regex all) {
        return left.equals(all) || right.equals(all) ? all : Language.union(left, right);
    }

    private static <T> List<T> eitherOf(List<T> left, List<T> right, T all) {
        if (left.contains(all) || right.contains(all)) {
            return List.of(all);
        }
        var shapes = new ArrayList<T>(left);
        right.stream().filter(shape -> !left.contains(shape)).forEach(shapes::add);
        return List.copyOf(shapes);
    }

    Value and(Value other, Expansion expansion) {
        return new Value(
                nothing && other.nothing,
                yes && other.yes,
                no && other.no,
                both(number, other.number, NumberText.ALL, expansion),
                both(string, other.string, StringText.ALL, expansion),
                bothArrays(other, expansion),
                bothObjects(other, expansion));
    }

    private static Regex both(Regex left, Regex right, Regex all, Expansion expansion) {
        if (left.equals(all) || left.equals(right)) {
            return right;
        }
        if (right.equals(all)) {
            return left;
        }
        Regex both = Language.intersection(left, right);
        return expansion.isEmpty(both) ? Language.NOTHING : both;
    }

    private List<ArrayShape> bothArrays(Value other, Expansion expansion) {
        if (arrays.equals(List.of(ArrayShape.ANY)) || arrays.equals(other.arrays)) {
            return other.arrays;
        }
        var shapes = new ArrayList<ArrayShape>();
        for (ArrayShape left : arrays) {
            for (ArrayShape right : other.arrays) {
                expansion.countPair();
                ArrayShape both = left.and(right);
                if (!both.isEmpty(expansion) && !shapes.contains(both)) {
                    shapes.add(both);
                    expansion.requireAlternatives(shapes.size());
                }
            }
        }
        return List.copyOf(shapes);
    }

    private List<ObjectShape> bothObjects(Value other, Expansion expansion) {
        if (objects.equals(List.of(ObjectShape.ANY)) || objects.equals(other.objects)) {
            return other.objects;
        }
        if (other.objects.equals(List.of(ObjectShape.ANY))) {
            return objects;
        }
        var shapes = new ArrayList<ObjectShape>();
        for (ObjectShape left : objects) {
            for (ObjectShape right : other.objects) {
                expansion.countPair();
                ObjectShape both = left.and(right, expansion);
                if (!both.isEmpty(expansion) && !shapes.contains(both)) {
                    shapes.add(both);
                    expansion.requireAlternatives(shapes.size());
                }
            }
        }
        return List.copyOf(shapes);
    }

    /// Whether nothing is allowed, as far as can be told.
    boolean isEmpty(Expansion expansion) {
        return !nothing
                && !yes
                && !no
                && expansion.isEmpty(number)
                && expansion.isEmpty(string)
                && arrays.isEmpty()
                && objects.isEmpty();
    }
}
