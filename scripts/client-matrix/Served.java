// SPDX-License-Identifier: Apache-2.0

import java.util.concurrent.Callable;

/// What the clients in Java share: the server's address, types, and the line that `scripts/clients` reads.
final class Served {
    static final String URL = System.getenv("LOCKSTEP_URL");
    static final String MODEL = System.getenv("LOCKSTEP_MODEL");
    static final String KEY = "none";
    static final String QUESTION = "What is the capital of France?";
    static final String WEATHER_QUESTION = "How is the weather in Oslo?";
    /// The server does not serve this field.
    static final String REFUSED = "no_repeat_ngram_size";

    enum Colour {
        red,
        green
    }

    enum Place {
        Oslo,
        Rome
    }

    private Served() {}

    static void check(String what, boolean holds) {
        if (!holds) {
            System.err.println("failed: " + what);
            System.exit(1);
        }
        System.out.println("passed: " + what);
    }

    /// Returns the error of a type that a call throws, or one of its causes.
    static <E extends Throwable> E error(Class<E> expected, Callable<?> call) {
        try {
            call.call();
        } catch (Exception thrown) {
            for (Throwable each = thrown; each != null; each = each.getCause()) {
                if (expected.isInstance(each)) {
                    return expected.cast(each);
                }
            }
            throw new AssertionError("no " + expected, thrown);
        }
        throw new AssertionError("no " + expected);
    }
}
