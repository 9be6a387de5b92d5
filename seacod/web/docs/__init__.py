"""The description of the API, to read and to try in a browser at /docs: Swagger UI, served by us.

`app.py` adds its routes, also where there is no page. Nothing is loaded from anywhere else.
"""
