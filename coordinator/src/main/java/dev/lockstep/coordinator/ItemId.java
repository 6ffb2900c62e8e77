// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Ids of the items of a response. They contain the id of the response, so that an item is found by
/// its id alone.
final class ItemId {
    private static final String RESPONSE = "resp_";
    private static final Pattern ID = Pattern.compile("[a-z]{1,4}_([0-9a-f]{32})[io]\\d{1,9}");

    private ItemId() {}

    /// @param index of the item in the response's output
    static String ofOutput(String prefix, String response, int index) {
        return prefix + withoutPrefix(response) + "o" + index;
    }

    /// @param index of the item in the request's input
    static String ofInput(String prefix, String response, int index) {
        return prefix + withoutPrefix(response) + "i" + index;
    }

    /// Returns the id of the response whose item has this id; empty for an id of another form, as
    /// clients may choose them.
    static Optional<String> response(String id) {
        Matcher matcher = ID.matcher(id);
        return matcher.matches() ? Optional.of(RESPONSE + matcher.group(1)) : Optional.empty();
    }

    private static String withoutPrefix(String response) {
        return ResponseStore.requireId(response).substring(RESPONSE.length());
    }
}
