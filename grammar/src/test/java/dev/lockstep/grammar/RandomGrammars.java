// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/// Small grammars over the letters a, b and c and two special tokens.
final class RandomGrammars {
    static final int[] ALPHABET = {'a', 'b', 'c'};

    private final Random random;
    private final int specials;

    RandomGrammars(Random random, int specials) {
        this.random = random;
        this.specials = specials;
    }

    Grammar grammar() {
        int count = 1 + random.nextInt(4);
        Map<String, Expression> rules = new HashMap<>();
        for (int i = 0; i < count; i++) {
            rules.put("r" + i, expression(3, count));
        }
        return new Grammar(rules, "r0");
    }

    private Expression expression(int depth, int rules) {
        int kind = random.nextInt(depth == 0 ? 4 : 9);
        return switch (kind) {
            case 0, 1, 2 -> Expression.terminal(regex(2));
            case 3 ->
                    specials > 0 && random.nextInt(3) == 0
                            ? new Expression.Special(random.nextInt(specials))
                            : Expression.reference("r" + random.nextInt(rules));
            case 4, 5, 6 -> new Expression.Sequence(expressions(depth - 1, rules));
            case 7 -> new Expression.Choice(expressions(depth - 1, rules));
            default -> {
                int min = random.nextInt(3);
                int max = random.nextBoolean() ? Regex.UNBOUNDED : min + random.nextInt(3);
                yield new Expression.Repeat(expression(depth - 1, rules), min, max);
            }
        };
    }

    private List<Expression> expressions(int depth, int rules) {
        List<Expression> items = new ArrayList<>();
        int count = random.nextInt(4);
        for (int i = 0; i < count; i++) {
            items.add(expression(depth, rules));
        }
        return items;
    }

    Regex regex(int depth) {
        int kind = random.nextInt(depth == 0 ? 2 : 10);
        return switch (kind) {
            case 0, 1 -> bytes();
            case 2, 3, 4 -> Regex.sequence(regex(depth - 1), regex(depth - 1));
            case 5, 6 -> Regex.union(regex(depth - 1), regex(depth - 1));
            case 7 -> Regex.and(regex(depth - 1), new Regex.Complement(regex(depth - 1)));
            default -> {
                int min = random.nextInt(3);
                int max = random.nextBoolean() ? Regex.UNBOUNDED : min + random.nextInt(2);
                yield new Regex.Repeat(regex(depth - 1), min, max);
            }
        };
    }

    private Regex bytes() {
        int first = 'a' + random.nextInt(3);
        return Regex.byteRange(first, first + random.nextInt('d' - first));
    }

    /// Tokens of one to four letters, some ids without bytes, two with the same; single letters are
    /// among them.
    byte[][] vocabulary(int count) {
        byte[][] tokens = new byte[count][];
        for (int id = specials; id < count; id++) {
            if (id < specials + ALPHABET.length) {
                tokens[id] = new byte[] {(byte) ALPHABET[id - specials]};
            } else if (random.nextInt(10) > 0) {
                byte[] token = new byte[1 + random.nextInt(4)];
                for (int i = 0; i < token.length; i++) {
                    token[i] = (byte) ALPHABET[random.nextInt(ALPHABET.length)];
                }
                tokens[id] = token;
            }
        }
        return tokens;
    }
}
