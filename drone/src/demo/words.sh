# Counts the words of a file, where there is no Python: one process per task, payload on stdin.
read -r payload
path=$(printf '%s' "$payload" | sed 's/.*"path":"\(\([^"\\]\|\\.\)*\)".*/\1/; s/\\\(.\)/\1/g')
words=$(LC_ALL=C wc -w < "$path") || exit 65
printf '%s,"words":%d}\n' "${payload%\}}" "$words"
