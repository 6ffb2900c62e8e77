// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import java.util.LinkedHashMap;
import java.util.Map;

/// The only value that a template assigns to: attributes that a block may set for its enclosing
/// blocks.
final class Namespace {
    private final Map<String, Object> attributes = new LinkedHashMap<>();

    Map<String, Object> attributes() {
        return attributes;
    }
}
