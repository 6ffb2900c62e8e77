// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// A line between a scheduler and the launcher that started it, about the number of ranks of their
/// group. The launcher decides the number: schedulers come and go.
public sealed interface RankLine {
    /// The words of a line are a kind, a tab, and a value.
    Pattern FORM =
            Pattern.compile(
                    "ranks(|-wanted|-unformed|-done|-refused|-failed)\t(.*)", Pattern.DOTALL);

    /// A scheduler asks for another number of ranks.
    record Wanted(int ranks) implements RankLine {}

    /// A scheduler cannot form the group with the ranks that it was told.
    record Unformed(String why) implements RankLine {}

    /// The launcher tells every scheduler to form the group with this number of ranks from now on.
    record Ranks(int ranks) implements RankLine {}

    /// The launcher has fulfilled a wish: the group serves with this number of ranks.
    record Done(int ranks) implements RankLine {}

    /// The launcher refuses a wish; nothing has changed.
    record Refused(String why) implements RankLine {}

    /// The launcher could not fulfil a wish; the group has its old ranks.
    record Failed(String why) implements RankLine {}

    /// Returns the line.
    default String text() {
        return switch (this) {
            case Wanted(int ranks) -> "ranks-wanted\t" + ranks;
            case Unformed(String why) -> "ranks-unformed\t" + oneLine(why);
            case Ranks(int ranks) -> "ranks\t" + ranks;
            case Done(int ranks) -> "ranks-done\t" + ranks;
            case Refused(String why) -> "ranks-refused\t" + oneLine(why);
            case Failed(String why) -> "ranks-failed\t" + oneLine(why);
        };
    }

    /// Returns empty for any other line.
    static Optional<RankLine> parse(String line) {
        Matcher form = FORM.matcher(line);
        if (!form.matches()) {
            return Optional.empty();
        }
        String value = form.group(2);
        return switch (form.group(1)) {
            case "-wanted" -> ranks(value).map(Wanted::new);
            case "-done" -> ranks(value).map(Done::new);
            case "-unformed" -> Optional.of(new Unformed(value));
            case "-refused" -> Optional.of(new Refused(value));
            case "-failed" -> Optional.of(new Failed(value));
            default -> ranks(value).map(Ranks::new);
        };
    }

    private static Optional<Integer> ranks(String value) {
        return value.matches("[0-9]{1,9}") ? Optional.of(Integer.valueOf(value)) : Optional.empty();
    }

    private static String oneLine(String text) {
        return text.replaceAll("\\s+", " ");
    }
}
