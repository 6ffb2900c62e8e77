package dev.lockstep.text.jinja;

import java.util.LinkedHashMap;
import java.util.Map;

/// The one mutable value: attributes that a block may set for the blocks around it.
final class Namespace {
    private final Map<String, Object> attributes = new LinkedHashMap<>();

    Map<String, Object> attributes() {
        return attributes;
    }
}
