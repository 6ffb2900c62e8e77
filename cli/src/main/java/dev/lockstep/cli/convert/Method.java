// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;

/// How weights are chosen.
public enum Method {
    /// Each weight gets the nearest code.
    ROUND,
    /// Errors are passed on to other weights, so that outputs for the texts change least.
    GPTQ,
    /// Columns with large inputs are multiplied by scales before they are rounded, and what makes
    /// these inputs is divided by them.
    AWQ,
    /// Columns are scaled as by [#AWQ], then errors are passed on as by [#GPTQ].
    AWQ_GPTQ;

    /// Returns whether columns are scaled.
    public boolean scales() {
        return this == AWQ || this == AWQ_GPTQ;
    }

    /// Returns whether the errors of weights are passed on to others of their row.
    boolean passesErrors() {
        return this == GPTQ || this == AWQ_GPTQ;
    }

    /// Returns the method of a name such as `awq`.
    public static Optional<Method> of(String word) {
        return Arrays.stream(values()).filter(each -> each.word().equals(word)).findFirst();
    }

    /// Returns all names, separated by bars.
    public static String words() {
        return Arrays.stream(values()).map(Method::word).collect(Collectors.joining("|"));
    }

    String word() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
