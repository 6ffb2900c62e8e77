// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import dev.lockstep.grammar.Regex;
import dev.lockstep.grammar.regex.Language;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/// One form of an object.
///
/// @param members by name, in the order of the schema; one whose value is impossible may not be
///   there
/// @param others further keys; no key is in two of these classes, and a member's name counts for
///   none
/// @param max properties, or [Regex#UNBOUNDED]
/// @param minAt the place of the schema that asks for the least number of properties
/// @param some languages of keys; at least one key of each is there
record ObjectShape(
        SequencedMap<String, Member> members,
        List<KeyClass> others,
        int min,
        int max,
        String minAt,
        List<Regex> some) {
    static final ObjectShape ANY =
            new ObjectShape(
                    new LinkedHashMap<>(),
                    List.of(new KeyClass(StringText.ALL, Formula.TRUE)),
                    0,
                    Regex.UNBOUNDED,
                    "",
                    List.of());

    /// @param rank among the required members as the schema lists them; negative if not required
    record Member(Formula value, int rank) {
        boolean required() {
            return rank >= 0;
        }
    }

    /// @param keys texts of strings with their quotes
    record KeyClass(Regex keys, Formula value) {}

    ObjectShape withMember(String name, Formula value) {
        return withMember(name, value, -1);
    }

    ObjectShape without(String name) {
        return withMember(name, Formula.FALSE, -1);
    }

    ObjectShape withMember(String name, Formula value, int rank) {
        var more = new LinkedHashMap<>(members);
        more.put(name, new Member(value, rank));
        return new ObjectShape(more, others, min, max, minAt, some);
    }

    ObjectShape withOthers(List<KeyClass> classes) {
        return new ObjectShape(members, classes, min, max, minAt, some);
    }

    ObjectShape withCount(int least, int most, String place) {
        return new ObjectShape(members, others, least, most, place, some);
    }

    ObjectShape withSome(Regex keys) {
        return new ObjectShape(members, others, min, max, minAt, List.of(keys));
    }

    private Member member(String name, Expansion expansion) {
        Member member = members.get(name);
        if (member != null) {
            return member;
        }
        for (KeyClass other : others) {
            if (expansion.matches(other.keys, name)) {
                return new Member(other.value, -1);
            }
        }
        return new Member(Formula.FALSE, -1);
    }

    ObjectShape and(ObjectShape other, Expansion expansion) {
        var names = new LinkedHashSet<>(members.keySet());
        names.addAll(other.members.keySet());
        var both = new LinkedHashMap<String, Member>();
        for (String name : names) {
            Member left = member(name, expansion);
            Member right = other.member(name, expansion);
            both.put(
                    name,
                    new Member(
                            Formula.and(left.value, right.value),
                            left.required() && right.required()
                                    ? Math.min(left.rank, right.rank)
                                    : Math.max(left.rank, right.rank)));
        }
        var keys = new ArrayList<>(some);
        other.some.stream().filter(one -> !some.contains(one)).forEach(keys::add);
        return new ObjectShape(
                both,
                bothOthers(other, expansion),
                Math.max(min, other.min),
                ArrayShape.smaller(max, other.max),
                other.min > min ? other.minAt : minAt,
                List.copyOf(keys));
    }

    private List<KeyClass> bothOthers(ObjectShape other, Expansion expansion) {
        if (others.equals(ANY.others) || others.equals(other.others)) {
            return other.others;
        }
        if (other.others.equals(ANY.others)) {
            return others;
        }
        var result = new ArrayList<KeyClass>();
        for (KeyClass left : others) {
            for (KeyClass right : other.others) {
                Regex keys = expansion.both(left.keys, right.keys);
                Formula value = Formula.and(left.value, right.value);
                if (!keys.equals(Language.NOTHING) && !value.equals(Formula.FALSE)) {
                    result.add(new KeyClass(keys, value));
                    expansion.requireAlternatives(result.size());
                }
            }
        }
        return result;
    }

    boolean isEmpty(Expansion expansion) {
        int required = 0;
        int possible = 0;
        for (Map.Entry<String, Member> entry : members.entrySet()) {
            boolean impossible = expansion.isImpossible(entry.getValue().value);
            if (entry.getValue().required()) {
                if (impossible) {
                    return true;
                }
                required++;
            }
            possible += impossible ? 0 : 1;
        }
        if (max != Regex.UNBOUNDED && Math.max(required, min) > max) {
            return true;
        }
        return others.isEmpty() && min > possible;
    }
}
