survey "$1"
