// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.Stream;

/// The tokens that a model's own rule puts before, between and after two texts that it reads
/// together.
///
/// @param second how many of the tokens between have token type 0, after which all tokens have type
///   1; empty if all have type 0
record PairFraming(
        List<Integer> prefix, List<Integer> between, List<Integer> suffix, OptionalInt second) {

    /// One text after the other, the second one of type 1.
    static final PairFraming NOTHING =
            new PairFraming(List.of(), List.of(), List.of(), OptionalInt.of(0));

    PairFraming {
        prefix = List.copyOf(prefix);
        between = List.copyOf(between);
        suffix = List.copyOf(suffix);
    }

    /// `cls A sep B sep`, from B on of type 1.
    static PairFraming ofBert(int cls, int sep) {
        return new PairFraming(List.of(cls), List.of(sep), List.of(sep), OptionalInt.of(1));
    }

    /// `cls A sep sep B sep`, all of type 0.
    static PairFraming ofRoberta(int cls, int sep) {
        return new PairFraming(List.of(cls), List.of(sep, sep), List.of(sep), OptionalInt.empty());
    }

    /// Reads the `pair` of a `TemplateProcessing`; empty if it has another form than this one: both
    /// texts once, in order, and token types that become 1 between them or stay 0.
    static Optional<PairFraming> template(JsonPart part) {
        List<List<Integer>> ids = List.of(new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
        List<Integer> types = new ArrayList<>();
        List<Integer> textTypes = new ArrayList<>();
        int untyped = 0;
        for (JsonPart item : part.part("pair").map(JsonPart::items).orElse(List.of())) {
            Optional<JsonPart> text = item.part("Sequence");
            JsonPart piece = text.isPresent() ? text.get() : item.require("SpecialToken");
            int type = piece.integer("type_id").orElse(0);
            int texts = textTypes.size();
            types.add(type);
            if (text.isPresent()) {
                if (texts == 2 || !piece.require("id").text().equals(texts == 0 ? "A" : "B")) {
                    return Optional.empty();
                }
                textTypes.add(type);
                continue;
            }
            for (JsonPart id : ids(part, piece)) {
                ids.get(texts).add(id.integer());
                untyped += texts == 1 && type == 0 ? 1 : 0;
            }
        }
        boolean typed = textTypes.equals(List.of(0, 1)) && isAscending(types);
        boolean plain = textTypes.size() == 2 && types.stream().allMatch(type -> type == 0);
        return typed || plain
                ? Optional.of(
                        new PairFraming(
                                ids.get(0),
                                ids.get(1),
                                ids.get(2),
                                typed ? OptionalInt.of(untyped) : OptionalInt.empty()))
                : Optional.empty();
    }

    private static boolean isAscending(List<Integer> types) {
        return types.equals(types.stream().sorted().toList());
    }

    private static List<JsonPart> ids(JsonPart part, JsonPart token) {
        return part.require("special_tokens")
                .require(token.require("id").text())
                .require("ids")
                .items();
    }

    /// Returns the ids that it adds.
    List<Integer> added() {
        return Stream.of(prefix, between, suffix).flatMap(List::stream).toList();
    }

    /// Returns the ids of two texts together.
    TokenPair join(int[] first, int[] next) {
        var ids = new IntList(first.length + next.length + 8);
        prefix.forEach(ids::add);
        ids.addAll(first);
        int typed = ids.size() + second.orElse(0);
        between.forEach(ids::add);
        ids.addAll(next);
        int end = ids.size();
        suffix.forEach(ids::add);
        return new TokenPair(ids.toArray(), second.isPresent() ? typed : ids.size(), end);
    }
}
